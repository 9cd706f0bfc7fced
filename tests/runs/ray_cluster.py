"""A Ray cluster on this machine: a head that computes nothing, and nodes with a home folder each."""

NODES = 3


class RayCluster:
    """Three nodes of processes of this machine.

    Args:
        homes: the folder of the nodes' home folders.
    """

    def __init__(self, homes):
        from ray.cluster_utils import Cluster

        # The driver is beside the head, which lives on.
        self.made = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0, "include_dashboard": False}
        )
        self.address = self.made.address
        self.homes = [homes / str(number) for number in range(NODES)]
        self.nodes = [self._node(home) for home in self.homes]

    def _node(self, home):
        return self.made.add_node(
            num_cpus=1,
            num_gpus=0,
            object_store_memory=80 << 20,
            include_dashboard=False,
            env_vars={"VIT_CLAIMS_HOME": str(home), "OMP_NUM_THREADS": "1"},
        )

    def kill(self, number):
        """End a node as a machine is lost."""
        self.made.remove_node(self.nodes[number], allow_graceful=False)
        self.nodes[number] = None

    def complete(self):
        """Start the nodes anew that were killed."""
        self.nodes = [node or self._node(home) for node, home in zip(self.nodes, self.homes, strict=True)]

    def stop(self):
        """End all."""
        import ray

        ray.shutdown()
        self.made.shutdown()


def stored(home):
    """Return the ids of the runs that are stored under a home folder."""
    return {path.stem for path in home.glob("runs/*/*.json")}


def begun(home):
    """Return the ids of the runs that were begun by processes with a home folder."""
    return {path.stem for path in home.glob("work/history/*.jsonl")}
