"""The conformance kit: each engine runs it, and adapters broken on purpose fail it."""
