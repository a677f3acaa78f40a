package pages

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"pilothouse/backend/client"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/view"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// typedKinds take so much with them that their name is to be typed.
var typedKinds = []string{"Namespace", "CustomResourceDefinition", "PersistentVolume"}

// endsSoon is how long a page waits for a deletion that was not to wait.
const endsSoon = 15 * time.Second

// deletePage asks before an object is deleted. The server is asked first
// whether it would, and what would be left to wait for.
func deletePage(ctx context.Context, c *Call, o *loaded) (*Answer, error) {
	v := c.deleteView(ctx, o)
	would, err := c.deleteObject(ctx, target{o.address, v.UID}, "", true)
	if err != nil {
		f, ok := c.Fault(err)
		if !ok {
			return nil, err
		}
		v.Fault = f
	} else {
		v.Finalizers, v.Usual = would.Finalizers, usualPropagation(would.Finalizers)
	}
	return c.deleteAnswer(v, o.address, http.StatusOK), nil
}

func (c *Call) deleteView(ctx context.Context, o *loaded) view.Delete {
	v := view.Delete{
		Kind: o.object.GetKind(), Name: o.name, Namespace: o.namespace, Path: objectPath(o.gvr, o.namespace, o.name), UID: string(o.object.GetUID()),
		FormToken: c.FormToken(), Finalizers: o.object.GetFinalizers(), Hold: c.holdSeconds(),
		Command: "kubectl delete " + kubectlName(c.Types(), o.gvr) + " " + shellQuote(o.name),
	}
	v.Dependents, v.Unread = c.owned(ctx, o)
	if o.namespace != "" {
		v.Command += " -n " + shellQuote(o.namespace)
	}
	v.Curl = c.curl(client.Call{Method: http.MethodDelete, Path: client.Path(o.gvr, o.namespace, o.name, "")})
	if slices.Contains(typedKinds, v.Kind) {
		v.Typed = o.name
	}
	return v
}

func (c *Call) holdSeconds() int { return int((c.Hold + time.Second - 1) / time.Second) }

func (c *Call) deleteAnswer(v view.Delete, a address, status int) *Answer {
	crumbs := objectCrumbs(a)
	crumbs[len(crumbs)-1].Href = v.Path
	return &Answer{Status: status, Title: c.T("Delete %s", v.Name), Body: tmpl.Delete(v), Current: listPath(a.gvr, ""), Crumbs: append(crumbs, view.Link{Text: c.T("delete")})}
}

// usualPropagation is what the server does with dependents when nobody says, by
// the finalizers that a deletion would put on the object.
func usualPropagation(finalizers []string) string {
	switch {
	case slices.Contains(finalizers, metav1.FinalizerOrphanDependents):
		return string(metav1.DeletePropagationOrphan)
	case slices.Contains(finalizers, metav1.FinalizerDeleteDependents):
		return string(metav1.DeletePropagationForeground)
	}
	return string(metav1.DeletePropagationBackground)
}

// propagationOf is the choice of a form; background, as kubectl has it, when it
// says nothing.
func propagationOf(choice string) metav1.DeletionPropagation {
	switch p := metav1.DeletionPropagation(choice); p {
	case metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan:
		return p
	}
	return metav1.DeletePropagationBackground
}

// deleteObject deletes the object that was shown and no other of its name; an
// empty propagation leaves that to the server. What it gives is what is left of
// the object: nothing, or what waits for its finalizers.
func (c *Call) deleteObject(ctx context.Context, t target, propagation metav1.DeletionPropagation, dryRun bool) (left metav1.ObjectMeta, err error) {
	options := &metav1.DeleteOptions{}
	options.Kind, options.APIVersion = "DeleteOptions", "v1"
	if t.uid != "" {
		u := types.UID(t.uid)
		options.Preconditions = &metav1.Preconditions{UID: &u}
	}
	if propagation != "" {
		options.PropagationPolicy = &propagation
	}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	body, err := json.Marshal(options)
	if err != nil {
		return left, err
	}
	call := client.Call{Method: http.MethodDelete, Path: client.Path(t.gvr, t.namespace, t.name, ""), Body: body}
	if dryRun {
		call.Query = url.Values{"dryRun": {metav1.DryRunAll}} // the body counts; this is for the logs
	}
	raw, err := c.Client.Bytes(ctx, call)
	if err != nil {
		return left, err
	}
	var answer metav1.PartialObjectMetadata
	if json.Unmarshal(raw, &answer) != nil || answer.Kind == "Status" {
		return left, nil
	}
	return answer.ObjectMeta, nil
}

// remove has an object deleted, after the time in which that can be undone, or
// at once.
func remove(ctx context.Context, c *Call) (*Answer, error) {
	a, ok := parseAddress(c.Types(), c.Form.Get("path"))
	if !ok || a.name == "" {
		return nil, notServed(c.Form.Get("path"))
	}
	o, err := c.load(ctx, a)
	if err != nil {
		return nil, err
	}
	v := c.deleteView(ctx, o)
	v.Propagation = c.Form.Get("propagation")
	if v.Typed != "" && c.Form.Get("typed") != v.Typed {
		v.Problem = c.T("Type the name as it is: %s", v.Typed)
		return c.deleteAnswer(v, a, http.StatusBadRequest), nil
	}
	work := c.deletion(c.T("Delete %s %s", v.Kind, v.Name), listPath(a.gvr, a.namespace), []target{{a, c.Form.Get("uid")}})
	work.Subject, work.Past = v.Kind+" "+v.Name, v.Path+"?tab=history"
	j, err := c.Jobs.Start(work)
	if err != nil {
		return nil, c.busy(err)
	}
	if work.Hold == 0 {
		ctx, cancel := context.WithTimeout(ctx, endsSoon)
		defer cancel()
		j.Await(ctx)
		if p := j.Progress(); p.Failed > 0 {
			f, ok := c.Fault(p.Failures[0].Err)
			if !ok {
				return nil, p.Failures[0].Err
			}
			j.See() // here
			v.Fault = f
			return c.deleteAnswer(v, a, f.Code), nil
		}
	}
	return &Answer{Redirect: work.Back}, nil
}
