//! A job as the client opens it: the one road for whatever is sent or fetched, from its request to its end.

use crate::control::Control;
use crate::error::Error;
use crate::session::{Session, job_error};
use std::pin::pin;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use wire::RemotePath;
use wire::control::Envelope;
use wire::engine::{JobEnd, Role};
use wire::ids::JobId;
use wire::message::{Cancel, Message, Opened};

/// A job that the server was asked for. From the request on, nothing that the server says about it is lost, whether it runs here
/// yet or not. Dropped before its good end, it is cancelled at the server too.
pub(crate) struct RequestedJob {
    pub(crate) id: JobId,
    pub(crate) control: Arc<Control>,
    path: RemotePath,
    answers: mpsc::Receiver<Envelope>,
    /// The server may have it.
    is_there: bool,
}

impl RequestedJob {
    /// Asks for a job at `path` in which this end has the given role, and opens the lanes. Ids grow in the order of the requests.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) async fn open(
        session: &Session,
        role: Role,
        path: RemotePath,
        request: impl Into<Message>,
    ) -> Result<Self, Error> {
        let control = session.inner.control.clone();
        let in_order = session.inner.control.job_id_lock().await;
        let id = control.next_id();
        control.exchange.opening(JobId(id), role);
        let answers = control.answers(id);
        let mut requested = Self { id: JobId(id), control, path, answers, is_there: false };
        requested.control.send(id, request).await?;
        requested.is_there = true;
        drop(in_order);
        session.open_lanes();
        Ok(requested)
    }

    /// Waits until the server has opened the job, or refused it.
    pub(crate) async fn answered(&mut self) {
        let _ = self.answers.recv().await; // a failure is the job's, which ends with it when it runs
    }

    /// Runs the job to its end; `opened` takes what the server says of it when it opens it.
    pub(crate) async fn run(
        &mut self,
        running: impl Future<Output = JobEnd>,
        opened: impl AsyncFnOnce(Opened),
    ) -> JobEnd {
        let mut running = pin!(running);
        tokio::select! {
            biased;
            answer = self.answers.recv() => {
                if let Some(Envelope { message: Message::Opened(answer), .. }) = answer {
                    opened(answer).await;
                }
                running.await
            }
            end = &mut running => end,
        }
    }

    /// Takes the end of the job.
    ///
    /// # Errors
    /// That of a job that failed; that of the session, if it tells more.
    pub(crate) fn ended(&mut self, end: JobEnd) -> Result<(), Error> {
        self.is_there = end.is_err(); // the server may have ended it
        end.map_err(|failure| job_error(&self.control, &self.path, failure))
    }
}

impl Drop for RequestedJob {
    fn drop(&mut self) {
        self.control.exchange.dropped(self.id);
        self.control.forget(self.id.0);
        let cancel = Envelope::new(self.id.0, Cancel);
        if !self.is_there || self.control.outbox.try_send(cancel.clone()) {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let outbox = self.control.outbox.clone();
            runtime.spawn(async move { outbox.send(cancel).await }); // ends with the connection at the latest
        }
    }
}
