"""What deploy/ tells a cluster, rendered and checked."""
