//! Many requests, one commit. While a commit runs, requests gather; the next commit takes what
//! gathered. Nobody waits by the clock: a lone request is committed at once.

use super::{IngestError, Item, Pipeline, Prepared, Receipt};
use crate::ids::TenantId;
use crate::limits::{BATCH_MESSAGES, WEBHOOK_QUEUE_REQUESTS};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// One request to be kept.
#[derive(Debug)]
pub struct Intake {
    /// Whose.
    pub tenant_id: TenantId,
    /// The request, and what it normalized to.
    pub item: Item,
}

/// Why a request was not kept.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// Too many requests wait for a commit.
    #[error("too many requests are waiting to be stored")]
    Full,
    /// The surface is gone.
    #[error("the surface does not exist any more")]
    UnknownSurface,
    /// The store cannot be written.
    #[error("the store cannot be written")]
    Store(#[source] Arc<IngestError>),
}

/// How many turns the other tasks get before a commit in which nobody hands in: one core may find nothing to do while
/// another still reads what the last answers brought. No clock is waited for: with nothing else to do a turn takes
/// a microsecond or two.
const QUIET_TURNS: usize = 8;

type Answer = oneshot::Sender<Result<Vec<Receipt>, Arc<IngestError>>>;

struct Waiting {
    prepared: Prepared,
    answer: Answer,
}

/// Gathers requests into shared commits, one line a tenant (no transaction crosses tenants).
#[derive(Debug, Clone)]
pub struct Gather {
    pipeline: Pipeline,
    lines: Arc<Mutex<HashMap<TenantId, mpsc::Sender<Waiting>>>>,
}

impl Gather {
    /// Gathers into `pipeline`.
    #[must_use]
    pub fn new(pipeline: Pipeline) -> Self {
        Self { pipeline, lines: Arc::default() }
    }

    /// Keeps one request; when this returns it is durable. One receipt an envelope, in their order.
    ///
    /// # Errors
    /// [`IntakeError`]; the request was not kept then.
    pub async fn submit(&self, intake: Intake) -> Result<Vec<Receipt>, IntakeError> {
        let prepared = self.pipeline.prepare(intake.tenant_id, vec![intake.item]).await.map_err(refuse)?;
        let Some(prepared) = prepared.into_iter().next() else { return Ok(Vec::new()) };
        let (answer, answered) = oneshot::channel();
        let line = self.line(intake.tenant_id);
        line.try_send(Waiting { prepared, answer }).map_err(|_| IntakeError::Full)?;
        match answered.await {
            Ok(Ok(receipts)) => Ok(receipts),
            Ok(Err(error)) => Err(refuse_shared(error)),
            Err(_) => Err(IntakeError::Store(Arc::new(IngestError::Stopping))),
        }
    }

    fn line(&self, tenant: TenantId) -> mpsc::Sender<Waiting> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry(tenant).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(WEBHOOK_QUEUE_REQUESTS);
            tokio::spawn(commit_in_turn(self.pipeline.clone(), tenant, receiver));
            sender
        });
        line.clone()
    }
}

async fn commit_in_turn(pipeline: Pipeline, tenant: TenantId, mut waiting: mpsc::Receiver<Waiting>) {
    while let Some(first) = waiting.recv().await {
        let mut gathered = Gathered { messages: first.weight(), requests: vec![first] };
        gathered.take(&mut waiting);
        // Whoever is about to hand in may do so: the answers of the last commit woke many clients at once.
        let mut quiet = 0;
        while quiet < QUIET_TURNS && gathered.messages < BATCH_MESSAGES {
            let before = gathered.requests.len();
            tokio::task::yield_now().await;
            gathered.take(&mut waiting);
            quiet = if gathered.requests.len() == before { quiet + 1 } else { 0 };
        }
        commit(&pipeline, tenant, gathered.requests).await;
    }
}

struct Gathered {
    messages: usize,
    requests: Vec<Waiting>,
}

impl Gathered {
    /// Takes what waits, up to a batch.
    fn take(&mut self, waiting: &mut mpsc::Receiver<Waiting>) {
        while self.messages < BATCH_MESSAGES {
            let Ok(next) = waiting.try_recv() else { break };
            self.messages += next.weight();
            self.requests.push(next);
        }
    }
}

impl Waiting {
    fn weight(&self) -> usize {
        self.prepared.messages.len().max(1)
    }
}

async fn commit(pipeline: &Pipeline, tenant: TenantId, gathered: Vec<Waiting>) {
    let (batch, answers): (Vec<Prepared>, Vec<Answer>) =
        gathered.into_iter().map(|waiting| (waiting.prepared, waiting.answer)).unzip();
    // A client that went away leaves an answer that nobody takes; its request is kept all the same.
    match pipeline.commit(tenant, batch).await {
        Ok(receipts) => answers.into_iter().zip(receipts).for_each(|(answer, receipts)| {
            let _ = answer.send(Ok(receipts));
        }),
        Err(error) => {
            let error = Arc::new(error);
            tracing::error!(%error, requests = answers.len(), "requests could not be stored");
            answers.into_iter().for_each(|answer| {
                let _ = answer.send(Err(error.clone()));
            });
        }
    }
}

fn refuse(error: IngestError) -> IntakeError {
    refuse_shared(Arc::new(error))
}

fn refuse_shared(error: Arc<IngestError>) -> IntakeError {
    match *error {
        IngestError::UnknownSurface(_) => IntakeError::UnknownSurface,
        _ => IntakeError::Store(error),
    }
}
