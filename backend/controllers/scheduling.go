package controllers

import (
	"context"

	"pilothouse/backend/scheduler"
)

// newScheduler binds pods to nodes. Where a real kube-scheduler runs,
// --controllers=*,-kube-scheduler turns it off.
func newScheduler(d Deps) func(context.Context) error {
	return func(ctx context.Context) error {
		return scheduler.New(scheduler.Options{Client: d.Client, Reader: d.Shared, Clock: d.Clock}).Run(ctx)
	}
}
