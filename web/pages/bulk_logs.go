package pages

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/web/view"
)

// bulkLogs is the button of a list that shows the logs of what is selected.
const bulkLogs = "logs"

// selectsPods are the types whose objects select pods, and pods themselves.
const selectsPods typeNames = "deployments.apps replicasets.apps statefulsets.apps daemonsets.apps jobs.batch pods services replicationcontrollers"

// logsAct is the button of a list's selection.
func (c *Call) logsAct(ctx context.Context, e *registry.Entry, at address) (a view.Act, ok bool) {
	if !selectsPods.has(e) {
		return a, false
	}
	at.gvr, at.name = podsResource, ""
	return view.Act{Name: bulkLogs, Text: "Logs", Key: "L", Denied: c.mayIn(ctx, right{verb: "get", address: at, sub: "log"})}, true
}
