"""What the factories' commands work with. Factories import it through `itop_bridge.factory`."""
