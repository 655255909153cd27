//! Broker port on RabbitMQ.
