package endpoints

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// action answers a call.
type action func(c *call, ctx context.Context) (*request.Response, error)

// route finds the action of a request for a resource: by the shape of its path,
// its method, the media type of its body where that chooses (patches) and the
// media types that it accepts, in this order, as Kubernetes' router does. A nil
// action without an error is the page of an unknown path.
func (c *call) route() (action, error) {
	act, offer, err := c.routeMethod()
	if act == nil || err != nil {
		return nil, err
	}
	if c.r.Method == http.MethodPatch {
		if err := c.checkPatchType(); err != nil {
			return nil, err
		}
	}
	if c.connects() {
		return act, nil
	}
	c.form, err = c.h.forms.negotiate(c.r.Header.Get("Accept"), offer)
	return act, err
}

// connects tells a request that is handed to a subresource as it is.
func (c *call) connects() bool {
	return c.sub != nil && c.sub.Connect != nil && slices.Contains(c.sub.ConnectMethods, c.r.Method)
}

func (c *call) routeMethod() (action, scheme.Offer, error) {
	virtual := c.e.Resource.Virtual
	// Reviews have no rows.
	rows := virtual == nil || virtual.List != nil
	offer := scheme.Offer{Routed: c.v.typed, NoProtobuf: !c.v.typed, Table: rows, Metadata: true}
	info := &c.r.Info
	switch c.scope() {
	case scopeWrong:
		return nil, offer, c.noRoute()
	case scopeAll:
		// Across all namespaces there are lists and watches only.
		if len(info.Parts) > 1 || !c.v.verbs.has(canList) {
			return nil, offer, c.noRoute()
		}
		if c.r.Method != http.MethodGet {
			return nil, offer, c.noMethod()
		}
	}
	if info.Verb == "proxy" {
		return nil, offer, c.noRoute()
	}
	if info.LegacyWatch {
		act, err := c.routeLegacyWatch()
		offer.Watch = true
		return act, offer, err
	}
	switch {
	case len(info.Parts) == 1:
		act, err := c.routeCollection()
		offer.Watch = c.r.Method == http.MethodGet
		return act, offer, err
	case len(info.Parts) == 2:
		act, err := c.routeItem()
		return act, offer, err
	}
	act, err := c.routeSubresource()
	// Nor has what comes of a binding, an eviction or a token.
	offer.Table = rows && (c.sub == nil || c.sub.Create == nil)
	return act, offer, err
}

type scope int

const (
	scopeRight scope = iota
	scopeAll         // a namespaced resource without a namespace
	scopeWrong       // a cluster-scoped one below a namespace
)

func (c *call) scope() scope {
	res, info := c.e.Resource, &c.r.Info
	switch {
	case res.Namespaced && info.Namespace == "":
		return scopeAll
	case !res.Namespaced && info.Namespace != "" && !namesItself(res, info):
		return scopeWrong
	}
	return scopeRight
}

// namesItself tells the path of a namespace, in which its name is the namespace
// of the request too.
func namesItself(res *registry.Resource, info *request.Info) bool {
	return res.Group == "" && res.Name == "namespaces" && len(info.Parts) > 1 && info.Parts[1] == info.Namespace
}

func (c *call) routeCollection() (action, error) {
	has := c.v.verbs
	if !c.v.listed.has(onCollection) {
		return nil, c.noRoute()
	}
	switch {
	case c.r.Method == http.MethodGet && has.has(canList):
		return (*call).list, nil
	case c.r.Method == http.MethodPost && has.has(canCreate):
		return (*call).create, nil
	case c.r.Method == http.MethodDelete && has.has(canDeleteCollection):
		return (*call).deleteCollection, nil
	}
	return nil, c.noMethod()
}

func (c *call) routeItem() (action, error) {
	has := c.v.verbs
	if !c.v.listed.has(onItem) {
		return nil, c.noRoute()
	}
	switch {
	case c.r.Method == http.MethodGet && has.has(canGet):
		return (*call).get, nil
	case c.r.Method == http.MethodPut && has.has(canUpdate):
		return (*call).update, nil
	case c.r.Method == http.MethodPatch && has.has(canPatch):
		return (*call).patch, nil
	case c.r.Method == http.MethodDelete && has.has(canDelete):
		return (*call).delete, nil
	}
	return nil, c.noMethod()
}

// routeLegacyWatch is for the paths below /watch/, which came before the
// parameter watch.
func (c *call) routeLegacyWatch() (action, error) {
	switch {
	case !c.v.verbs.has(canWatch), len(c.r.Info.Parts) > 2:
		return nil, c.noRoute()
	case c.r.Method != http.MethodGet:
		return nil, c.noMethod()
	}
	return (*call).list, nil
}

func (c *call) routeSubresource() (action, error) {
	info := &c.r.Info
	c.sub = subresource(c.e, info.Subresource)
	if c.sub == nil || len(info.Parts) > 3 && !takesPath(c.sub.Name) {
		if !c.v.typed {
			return nil, apierrors.NewNotFound(c.v.gvr.GroupResource(), info.Name)
		}
		return nil, errNoRoute
	}
	if c.connects() {
		return (*call).connect, nil
	}
	has := c.v.subs[c.sub.Name]
	view := c.sub.Strategy != nil
	switch {
	case c.r.Method == http.MethodGet && has.has(canGet) && (view || c.sub.Get != nil):
		return (*call).getSubresource, nil
	case c.r.Method == http.MethodPost && has.has(canCreate) && c.sub.Create != nil:
		return (*call).createSubresource, nil
	case c.r.Method == http.MethodPut && has.has(canUpdate) && (view || c.sub.Update != nil):
		return (*call).updateSubresource, nil
	case c.r.Method == http.MethodPatch && has.has(canPatch) && (view || c.sub.Update != nil):
		return (*call).patchSubresource, nil
	}
	return nil, c.noMethod()
}

// takesPath tells the subresources whose path goes on below them.
func takesPath(subresource string) bool { return subresource == "proxy" }

// noRoute and noMethod answer a path or a method that the resource doesn't
// have. For custom resources Kubernetes has no routes: an unknown path is not
// found by anyone, and the error of a method names the resource.
func (c *call) noRoute() error {
	if !c.v.typed {
		return nil
	}
	return errNoRoute
}

func (c *call) noMethod() error {
	switch {
	case c.v.typed:
		return errNoMethod
	case c.scope() == scopeAll:
		return nil
	}
	return apierrors.NewMethodNotSupported(c.v.gvr.GroupResource(), c.r.Info.Verb)
}

// unknown answers a request for a resource that the table doesn't have.
func (h *Handler) unknown(r *request.Request) (*request.Response, error) {
	if h.views.set(h.Registry.Table()).routed[r.Info.Group] {
		return nil, errNoRoute
	}
	return notFoundPage(), nil
}

// The media types of patches.
const (
	jsonPatch      = string(types.JSONPatchType)
	mergePatch     = string(types.MergePatchType)
	strategicPatch = string(types.StrategicMergePatchType)
	applyPatch     = string(types.ApplyYAMLPatchType)
)

var dynamicPatchTypes = []string{jsonPatch, mergePatch, applyPatch}

// patchType is the media type of a patch without its parameters.
func (c *call) patchType() string {
	t, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	return t
}

// checkPatchType tells whether the patch is of a known kind. Strategic merge
// patches need Go types, so custom resources don't take them.
func (c *call) checkPatchType() error {
	t := strings.TrimSpace(c.patchType())
	if slices.Contains(dynamicPatchTypes, t) || t == strategicPatch && c.v.typed {
		return nil
	}
	if c.v.typed {
		return errNoPatchType
	}
	return unsupportedMediaType("the body of the request was in an unknown format - accepted media types include: " +
		strings.Join(dynamicPatchTypes, ", "))
}
