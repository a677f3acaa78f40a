package pages

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/web/view"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// bulkLogs is the button of a list that shows the logs of what is selected.
const bulkLogs = "logs"

// selectsPods are the types whose objects select pods, and pods themselves.
var selectsPods = typeSet(group("apps", "deployments", "replicasets", "statefulsets", "daemonsets").and("batch", "jobs").and("", "pods", "services", "replicationcontrollers")).test

// logsAct is the button of a list's selection.
func (c *Call) logsAct(ctx context.Context, e *registry.Entry, at address) (a view.Act, ok bool) {
	if !selectsPods(e) {
		return a, false
	}
	at.gvr, at.name = podsResource, ""
	return view.Act{Name: bulkLogs, Text: "Logs", Key: "L", Denied: c.mayIn(ctx, right{verb: "get", address: at, sub: "log"})}, true
}

// logsOf leads to the logs of what is selected: to the tab of one object, or to
// a page of the pods of many.
func (c *Call) logsOf(ctx context.Context, targets []target) (*Answer, error) {
	if len(targets) == 0 {
		return nil, badRequest("Nothing is selected.")
	}
	if len(targets) == 1 {
		t := targets[0]
		return &Answer{Redirect: objectPath(t.gvr, t.namespace, t.name) + "?tab=logs&container=" + url.QueryEscape(allContainers)}, nil
	}
	if len(targets) > mostPods {
		return nil, badRequest(fmt.Sprintf("The logs of %d at a time can be shown; narrow the list by a selector, and see its logs as one.", mostPods))
	}
	namespace := targets[0].namespace
	var names []string
	for _, t := range targets {
		if t.namespace != namespace {
			return nil, badRequest("Logs as one are of one namespace; select objects of one.")
		}
		own, err := c.podsOf(ctx, t)
		if err != nil {
			return nil, err
		}
		for _, name := range own {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return nil, badRequest("What is selected has no pods.")
	}
	return &Answer{Redirect: join("/ui/logs", url.Values{"ns": {namespace}, "pods": {strings.Join(names[:min(len(names), mostPods)], ",")}})}, nil
}

// podsOf are the names of the pods of an object that is one or selects some.
func (c *Call) podsOf(ctx context.Context, t target) ([]string, error) {
	if t.gvr.Group == "" && t.gvr.Resource == "pods" {
		return []string{t.name}, nil
	}
	o, err := c.load(ctx, t.address)
	if err != nil {
		return nil, err
	}
	selector := selectorOf(&o.object)
	if selector == "" {
		return nil, nil
	}
	list := &corev1.PodList{}
	if err := c.Client.List(ctx, podsResource, t.namespace, metav1.ListOptions{LabelSelector: selector, Limit: mostPods}, list); err != nil {
		return nil, err
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names, nil
}
