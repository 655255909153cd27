//! Takes a namespace away again, for those that were only made for a while: the demo's.

use crate::handle::RabbitBroker;
use crate::supervisor::error;
use crate::topology::Part;
use warrener_backend::error::Result;

impl RabbitBroker {
    /// Removes every queue and exchange that this server made, with what is in them, and its name as the owner last.
    ///
    /// # Errors
    /// `Unavailable`, `NotAllowed`: what is left then can be removed by the same call.
    pub async fn remove_namespace(&self) -> Result<()> {
        let ground = self.ground();
        let wrong = |fault| error("the removal of the namespace", fault);
        let session = self.consuming()?;
        let channel = session.connection.channel().await.map_err(wrong)?;
        for part in ground.parts().iter().rev() {
            match part {
                Part::Exchange(name, _) => channel.delete_exchange(name).await,
                Part::Queue(name, _) => channel.delete_queue(name).await,
                Part::Binding { .. } => Ok(()),
            }
            .map_err(wrong)?;
        }
        channel
            .delete_queue(&ground.names.owner())
            .await
            .map_err(wrong)?;
        channel.close().await;
        Ok(())
    }
}
