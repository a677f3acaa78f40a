package config

import (
	"errors"
	"time"

	"github.com/spf13/pflag"
)

// Limits bound what requests may take.
type Limits struct {
	MaxInFlight         int
	MaxMutatingInFlight int
	// FlowControl makes requests take turns by FlowSchemas, with the sum of both
	// numbers as seats.
	FlowControl    bool
	RequestTimeout time.Duration
	// MaxStreams bounds the streams to nodes and pods that are open at the same
	// time.
	MaxStreams int
	// MinRequestTimeout is the least time after which a watch without a
	// timeout of its own ends.
	MinRequestTimeout int
	// DeleteCollectionWorkers is how many objects of a collection are deleted at
	// the same time.
	DeleteCollectionWorkers int
}

func (o *Limits) addFlags(fs *pflag.FlagSet) {
	fs.IntVar(&o.MaxInFlight, "max-requests-inflight", 400, "The number of reading requests that are handled at the same time; more are refused. 0 for no limit.")
	fs.IntVar(&o.MaxMutatingInFlight, "max-mutating-requests-inflight", 200, "The number of changing requests that are handled at the same time; more are refused. 0 for no limit.")
	fs.IntVar(&o.MaxStreams, "max-node-streams", 4000, "The number of logs, commands, forwarded ports and proxied requests to nodes and pods that are open at the same time; more are refused. 0 for no limit.")
	fs.BoolVar(&o.FlowControl, "enable-priority-and-fairness", true, "Lets requests take turns by FlowSchemas and PriorityLevelConfigurations; the two limits above add up to the seats then.")
	fs.DurationVar(&o.RequestTimeout, "request-timeout", time.Minute, "How long a request may take, unless it is a watch or a stream.")
	fs.IntVar(&o.MinRequestTimeout, "min-request-timeout", 1800, "The least number of seconds after which a watch ends that names no timeout itself.")
	fs.IntVar(&o.DeleteCollectionWorkers, "delete-collection-workers", 32, "How many objects of a collection that is deleted are deleted at the same time. 1 deletes them one after the other.")
}

func (o *Limits) check() error {
	switch {
	case o.MaxInFlight < 0:
		return errors.New("--max-requests-inflight can not be negative value")
	case o.MaxMutatingInFlight < 0:
		return errors.New("--max-mutating-requests-inflight can not be negative value")
	case o.MaxStreams < 0:
		return errors.New("--max-node-streams can not be negative value")
	case o.RequestTimeout <= 0:
		return errors.New("--request-timeout must be positive")
	case o.MinRequestTimeout < 0:
		return errors.New("--min-request-timeout can not be negative value")
	case o.DeleteCollectionWorkers < 1:
		return errors.New("--delete-collection-workers must be at least 1")
	}
	return nil
}
