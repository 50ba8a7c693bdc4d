"""HTTP: the receiver of telemetry, the decisions for gateways, and findings to read. Needs the `server` extra."""
