package pages

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/registry"
	tmpl "pilothouse/templates/pages"
	"pilothouse/web/messages"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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
	add("Owns", c.owned(ctx, o))
	add("Uses", c.uses(ctx, o))
	title, pods := c.selected(ctx, o)
	add(title, pods)
	add("Endpoints", c.endpoints(ctx, o))
	add("Used by", c.users(ctx, o))
	return tmpl.Related(v), nil
}

// owners follows the owner references up.
func (c *Call) owners(ctx context.Context, o *loaded) []view.RelatedRow {
	var list []view.RelatedRow
	type step struct {
		refs  []metav1.OwnerReference
		depth int
	}
	for todo := []step{{o.object.GetOwnerReferences(), 0}}; len(todo) > 0 && len(list) < maxRelated; todo = todo[1:] {
		for _, ref := range todo[0].refs {
			row := view.RelatedRow{Kind: ref.Kind, Depth: todo[0].depth, Link: view.Link{Text: ref.Name, Href: c.kindHref(ref.APIVersion, ref.Kind, o.namespace, ref.Name)}}
			if row.Href != "" {
				a, _ := parseAddress(c.Registry.Table(), row.Href)
				owner := metav1.PartialObjectMetadata{}
				switch err := c.Client.Get(ctx, a.gvr, a.namespace, a.name, &owner); {
				case err != nil:
					row.Note = c.T("cannot be read")
				case owner.UID != ref.UID:
					row.Note = c.T("is gone; another one has its name")
				default:
					row.Namespace, row.Time = owner.Namespace, owner.CreationTimestamp.UTC().Format(time.RFC3339)
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
func (c *Call) owned(ctx context.Context, o *loaded) []view.RelatedRow {
	byOwner := c.children(ctx, o.namespace)
	var list []view.RelatedRow
	var add func(uid types.UID, depth int)
	add = func(uid types.UID, depth int) {
		for _, k := range byOwner[uid] {
			if len(list) >= maxRelated {
				return
			}
			m := &k.meta.Metadata
			list = append(list, view.RelatedRow{
				Link: view.Link{Text: m.Name, Href: objectPath(k.entry.GVR(), m.Namespace, m.Name)}, Kind: k.entry.Resource.Kind,
				Namespace: m.Namespace, Time: m.CreationTimestamp.UTC().Format(time.RFC3339), Depth: depth,
			})
			if depth < maxDepth {
				add(m.UID, depth+1)
			}
		}
	}
	add(o.object.GetUID(), 0)
	return list
}

// children are the objects that have owners, by those: of a namespace, or of all.
func (c *Call) children(ctx context.Context, namespace string) map[types.UID][]child {
	ctx, cancel := context.WithTimeout(ctx, relatedTimeout)
	defer cancel()
	byOwner := map[types.UID][]child{}
	for _, g := range c.Registry.Table().Groups() {
		if len(g.Versions) == 0 || g.Name == "events.k8s.io" {
			continue
		}
		for _, e := range g.Versions[0].Entries {
			if e.Resource.Virtual != nil || !can(e, "list") || namespace != "" && !e.Resource.Namespaced || e.Resource.Name == "events" {
				continue
			}
			for _, m := range c.listMetadata(ctx, e, namespace, 0) {
				for _, ref := range m.Metadata.OwnerReferences {
					byOwner[ref.UID] = append(byOwner[ref.UID], child{e, m})
				}
			}
		}
	}
	return byOwner
}

// listMetadata gives what the user may see of a resource, at most limit objects
// when it is not 0; nothing for what they may not see.
func (c *Call) listMetadata(ctx context.Context, e *registry.Entry, namespace string, limit int) []childMeta {
	call := client.Call{Method: "GET", Path: client.Path(e.GVR(), namespace, "", ""), Accept: metadataOnly}
	if limit > 0 {
		call.Query = url.Values{"limit": {strconv.Itoa(limit)}}
	}
	raw, err := c.Client.Bytes(ctx, call)
	if err != nil {
		return nil
	}
	var list struct{ Items []childMeta }
	if json.Unmarshal(raw, &list, json.MatchCaseInsensitiveNames(true), jsontext.AllowDuplicateNames(true)) != nil {
		return nil
	}
	return list.Items
}
