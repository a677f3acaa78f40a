package pages

import (
	"context"
	"net/http"
	"slices"

	tmpl "pilothouse/templates/pages"
	"pilothouse/web/undo"
	"pilothouse/web/view"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// typedKinds take so much with them that their name is to be typed.
var typedKinds = []string{"Namespace", "CustomResourceDefinition", "PersistentVolume"}

// deletePage asks before an object is deleted. The server is asked first
// whether it would.
func deletePage(ctx context.Context, c *Call, o *loaded) (*Answer, error) {
	v := c.deleteView(ctx, o)
	if err := c.deleteObject(ctx, o, string(o.object.GetUID()), "", true); err != nil {
		f, ok := c.Fault(err)
		if !ok {
			return nil, err
		}
		v.Fault = f
	}
	return c.deleteAnswer(v, o.address, http.StatusOK), nil
}

func (c *Call) deleteView(ctx context.Context, o *loaded) view.Delete {
	v := view.Delete{
		Kind: o.object.GetKind(), Name: o.name, Namespace: o.namespace, Path: objectPath(o.gvr, o.namespace, o.name), UID: string(o.object.GetUID()),
		FormToken: c.FormToken(), Finalizers: o.object.GetFinalizers(), Dependents: c.owned(ctx, o),
		Command: "kubectl delete " + kubectlName(c.Registry.Table(), o.gvr) + " " + o.name,
	}
	if o.namespace != "" {
		v.Command += " -n " + o.namespace
	}
	if slices.Contains(typedKinds, v.Kind) {
		v.Typed = o.name
	}
	return v
}

func (c *Call) deleteAnswer(v view.Delete, a address, status int) *Answer {
	crumbs := objectCrumbs(a)
	crumbs[len(crumbs)-1].Href = v.Path
	return &Answer{Status: status, Title: c.T("Delete %s", v.Name), Body: tmpl.Delete(v), Current: listPath(a.gvr, ""), Crumbs: append(crumbs, view.Link{Text: c.T("delete")})}
}

func (c *Call) deleteObject(ctx context.Context, o *loaded, uid, propagation string, dryRun bool) error {
	options := &metav1.DeleteOptions{}
	if uid != "" {
		u := types.UID(uid)
		options.Preconditions = &metav1.Preconditions{UID: &u} // the object that was shown, no other of its name
	}
	if propagation != "" {
		p := metav1.DeletionPropagation(propagation)
		options.PropagationPolicy = &p
	}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return c.Client.Delete(ctx, o.gvr, o.namespace, o.name, options)
}

// remove deletes an object.
func remove(ctx context.Context, c *Call) (*Answer, error) {
	a, ok := parseAddress(c.Registry.Table(), c.Form.Get("path"))
	if !ok || a.name == "" {
		return nil, notServed(c.Form.Get("path"))
	}
	o, err := c.load(ctx, a)
	if err != nil {
		return nil, err
	}
	v := c.deleteView(ctx, o)
	if v.Typed != "" && c.Form.Get("typed") != v.Typed {
		v.Problem = c.T("Type the name as it is: %s", v.Typed)
		return c.deleteAnswer(v, a, http.StatusBadRequest), nil
	}
	if err := c.deleteObject(ctx, o, c.Form.Get("uid"), c.Form.Get("propagation"), false); err != nil {
		f, ok := c.Fault(err)
		if !ok {
			return nil, err
		}
		v.Fault = f
		return c.deleteAnswer(v, a, f.Code), nil
	}
	c.offerUndo(c.T("%s %s was deleted.", v.Kind, v.Name), undo.Object{Path: v.Path, Before: o.raw})
	return &Answer{Redirect: listPath(a.gvr, a.namespace)}, nil
}
