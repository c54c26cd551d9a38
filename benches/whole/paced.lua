-- The requests of the bench kit at a steady pace: each connection pauses before each request, so that all
-- together send HOOK_RATE requests a second. What wrk measures is the answer alone, without the pause.
dofile(os.getenv("HOOK_SCRIPT"))
local pause = 64000 / tonumber(os.getenv("HOOK_RATE"))
function delay()
  return math.random(0, math.floor(2 * pause))
end
