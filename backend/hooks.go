package backend

import (
	"context"
	"errors"
	"time"

	"pilothouse/backend/health"

	"k8s.io/klog/v2"
)

// hook is one of kube-apiserver's health checks that tell that something has
// begun, with what begins it here.
type hook struct {
	name string
	done <-chan struct{}
}

// hooks are those of kube-apiserver's whose thing there is, in its order.
func (s *Server) hooks() []hook {
	before := make(chan struct{}) // done before anything is served
	close(before)
	definitions, services := s.crds.Following(), s.aggregator.Registered()
	list := []hook{
		{"informer-sync", before},
		{"poststarthook/start-apiextensions-informers", definitions},
		{"poststarthook/start-apiextensions-controllers", definitions},
		{"poststarthook/crd-informer-synced", definitions},
		{"poststarthook/start-system-namespaces-controller", before},
		{"poststarthook/rbac/bootstrap-roles", before},
		{"poststarthook/scheduling/bootstrap-system-priority-classes", before},
		{"poststarthook/bootstrap-controller", before},
		{"poststarthook/start-kubernetes-service-cidr-controller", before},
		{"poststarthook/aggregator-reload-proxy-client-cert", before},
		{"poststarthook/start-kube-aggregator-informers", before},
		{"poststarthook/apiservice-status-local-available-controller", services},
		{"poststarthook/apiservice-status-remote-available-controller", services},
		{"poststarthook/apiservice-registration-controller", services},
		{"poststarthook/apiservice-discovery-controller", services},
		{"poststarthook/kube-apiserver-autoregistration", services},
		{"autoregister-completion", services},
		{"poststarthook/apiservice-openapi-controller", services},
		{"poststarthook/apiservice-openapiv3-controller", services},
	}
	if s.flow != nil {
		list = append(list,
			hook{"poststarthook/priority-and-fairness-config-consumer", before},
			hook{"poststarthook/priority-and-fairness-config-producer", before},
			hook{"poststarthook/priority-and-fairness-filter", before})
	}
	return list
}

var errNotFinished = errors.New("not finished")

func (s *Server) addHooks() {
	for _, h := range s.hooks() {
		s.health.Add(health.Check{Name: h.name, Run: func(context.Context) error {
			select {
			case <-h.done:
				return nil
			default:
				return errNotFinished
			}
		}}, "healthz", "livez", "readyz")
	}
}

// hooksGrace is how long the server waits for its hooks before it says that it
// is ready; /readyz tells the truth after that, too.
const hooksGrace = 10 * time.Second

// waitForHooks waits until what has to begin has begun.
func (s *Server) waitForHooks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, hooksGrace)
	defer cancel()
	for _, h := range s.hooks() {
		select {
		case <-h.done:
		case <-ctx.Done():
			klog.InfoS("Not finished at the start", "hook", h.name)
			return
		}
	}
}
