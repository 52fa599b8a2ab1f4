// Only its config/crd/bases: nothing is built from it, so there is nothing to tidy.
module sopsmith.dev/cluster/source-controller

go 1.25.0

require github.com/fluxcd/source-controller v1.7.2
