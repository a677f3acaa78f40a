package pages

import (
	"context"
	"net/url"
	"strconv"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Bounds of the search for related objects.
const (
	maxRelated     = 500
	relatedTimeout = 5 * time.Second
	maxDepth       = 4
)

const metadataOnly = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"

// relatedTab shows the objects that an object belongs to and those that belong
// to it, by their owner references; and those that it names or selects, and that
// name or select it.
func relatedTab(ctx context.Context, c *Call, o *loaded, _ *view.Object) (templ.Component, error) {
	v := &view.Related{}
	add := func(title messages.Text, rows []view.RelatedRow) {
		if len(rows) > 0 {
			v.Groups = append(v.Groups, view.RelatedGroup{Title: title, Rows: rows})
		}
	}
	add("Owned by", c.owners(ctx, o))
	owned, unread := c.owned(ctx, o)
	add("Owns", owned)
	add("Uses", c.uses(ctx, o))
	title, pods := c.selected(ctx, o)
	add(title, pods)
	add("Endpoints", c.endpoints(ctx, o))
	add("Used by", c.users(ctx, o))
	v.Unread = unread
	return tmpl.Related(v), nil
}

// owners follows the owner references up.
func (c *Call) owners(ctx context.Context, o *loaded) []view.RelatedRow {
	ctx, cancel := context.WithTimeout(ctx, relatedTimeout)
	defer cancel()
	var list []view.RelatedRow
	type step struct {
		refs  []metav1.OwnerReference
		depth int
	}
	for todo := []step{{o.object.GetOwnerReferences(), 0}}; len(todo) > 0 && len(list) < maxRelated; todo = todo[1:] {
		for _, ref := range todo[0].refs {
			row := view.RelatedRow{Kind: ref.Kind, Depth: todo[0].depth, Link: view.Link{Text: ref.Name, Href: c.kindHref(ref.APIVersion, ref.Kind, o.namespace, ref.Name)}}
			if row.Href != "" {
				a, _ := parseAddress(c.Types(), row.Href)
				owner := metav1.PartialObjectMetadata{}
				switch err := c.Client.Get(ctx, a.gvr, a.namespace, a.name, &owner); {
				case err != nil:
					row.Note = c.unreadable(err)
				case owner.UID != ref.UID:
					row.Note = c.T("is gone; another one has its name")
				default:
					row.Namespace, row.Time = owner.Namespace, owner.CreationTimestamp.UTC().Format(time.RFC3339)
					row.Held = c.toDelete().On(string(owner.UID))
					if todo[0].depth < maxDepth {
						todo = append(todo, step{owner.OwnerReferences, todo[0].depth + 1})
					}
				}
			}
			list = append(list, row)
		}
	}
	return list
}

// unreadable says why an object that another one names is not shown.
func (c *Call) unreadable(err error) string {
	switch {
	case apierrors.IsForbidden(err):
		return c.T("not yours to see")
	case apierrors.IsNotFound(err):
		return c.T("is not there")
	}
	return c.T("cannot be read: %s", c.reason(err))
}

// child is an object that has owners.
type child struct {
	entry *registry.Entry
	meta  childMeta
}

type childMeta struct {
	Metadata struct {
		Name, Namespace   string
		UID               types.UID
		CreationTimestamp time.Time
		OwnerReferences   []struct{ UID types.UID }
	}
}

// owned searches for what belongs to an object, and for what belongs to that:
// in the object's namespace, or everywhere for an object without one.
func (c *Call) owned(ctx context.Context, o *loaded) (list []view.RelatedRow, unread []view.Unread) {
	byOwner, unread := c.children(ctx, o.namespace)
	marks := c.toDelete()
	var add func(uid types.UID, depth int)
	add = func(uid types.UID, depth int) {
		for _, k := range byOwner[uid] {
			if len(list) >= maxRelated {
				return
			}
			m := &k.meta.Metadata
			list = append(list, view.RelatedRow{
				Link: view.Link{Text: m.Name, Href: objectPath(k.entry.GVR(), m.Namespace, m.Name)}, Kind: k.entry.Resource.Kind,
				Namespace: m.Namespace, Time: m.CreationTimestamp.UTC().Format(time.RFC3339), Depth: depth, Held: marks.On(string(m.UID)),
			})
			if depth < maxDepth {
				add(m.UID, depth+1)
			}
		}
	}
	add(o.object.GetUID(), 0)
	return list, unread
}

// children are the objects that have owners, by those: of a namespace, or of all; and
// of which types it is not known.
func (c *Call) children(ctx context.Context, namespace string) (byOwner map[types.UID][]child, unread []view.Unread) {
	ctx, cancel := context.WithTimeout(ctx, relatedTimeout)
	defer cancel()
	byOwner = map[types.UID][]child{}
	type found struct {
		_ view.Incomparable

		items  []childMeta
		unread *view.Unread
	}
	var entries []*registry.Entry
	for _, g := range c.Types().Groups() {
		if len(g.Versions) == 0 || g.Name == "events.k8s.io" {
			continue
		}
		for _, e := range g.Versions[0].Entries {
			if e.Resource.Virtual == nil && can(e, "list") && (namespace == "" || e.Resource.Namespaced) && e.Resource.Name != "events" {
				entries = append(entries, e)
			}
		}
	}
	all := make([]found, len(entries))
	inTurn(len(entries), func(i int) { all[i].items, all[i].unread = c.readMetadata(ctx, entries[i], namespace, 0) })
	for i, f := range all {
		if f.unread != nil {
			unread = append(unread, *f.unread)
		}
		for _, m := range f.items {
			for _, ref := range m.Metadata.OwnerReferences {
				byOwner[ref.UID] = append(byOwner[ref.UID], child{entries[i], m})
			}
		}
	}
	return byOwner, append(unread, c.away(ctx)...)
}

// inTurn calls f for 0 to n-1, some at the same time.
func inTurn(n int, f func(i int)) {
	var group sync.WaitGroup
	next := make(chan int)
	for range searchWorkers {
		group.Go(func() {
			for i := range next {
				metrics.Guarded("dashboard", func() { f(i) })()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
}

// oneTypeTimeout bounds what a page waits for one of many types.
const oneTypeTimeout = 2 * time.Second

// readMetadata is listMetadata, with why it is not known. What would be forbidden is
// not asked for, and what did not answer is not asked again for a moment.
func (c *Call) readMetadata(ctx context.Context, e *registry.Entry, namespace string, limit int) ([]childMeta, *view.Unread) {
	gr := e.Resource.GroupResource()
	u := &view.Unread{Resource: gr.String()}
	if d := c.may(ctx, right{verb: "list", address: address{entry: e, gvr: e.GVR(), namespace: namespace}}); d != nil {
		u.Denied = d
		return nil, u
	}
	if u.Why = c.Listable.silent(gr); u.Why != "" {
		return nil, u
	}
	ctx, cancel := context.WithTimeout(ctx, oneTypeTimeout)
	defer cancel()
	list, err := c.listMetadata(ctx, e, namespace, limit)
	switch {
	case err == nil:
		return list, nil
	case isContext(err) || ctx.Err() != nil:
		u.Why = c.T("no answer in time")
		c.Listable.silence(gr, u.Why)
	default:
		u.Why = c.reason(err)
	}
	return nil, u
}

// listMetadata gives the metadata of a resource's objects, of at most limit when that
// is not 0.
func (c *Call) listMetadata(ctx context.Context, e *registry.Entry, namespace string, limit int) ([]childMeta, error) {
	call := client.Call{Method: "GET", Path: client.Path(e.GVR(), namespace, "", ""), Accept: metadataOnly}
	if limit > 0 {
		call.Query = url.Values{"limit": {strconv.Itoa(limit)}}
	}
	raw, err := c.Client.Bytes(ctx, call)
	if err != nil {
		return nil, err
	}
	var list struct{ Items []childMeta }
	err = json.Unmarshal(raw, &list, json.MatchCaseInsensitiveNames(true), jsontext.AllowDuplicateNames(true))
	return list.Items, err
}
