package endpoints

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"pilothouse/backend/diff"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Past knows the times of revisions and who wrote them.
type Past interface {
	// TimeOf is when a revision was written, zero when nobody knows.
	TimeOf(revision int64) time.Time
	// RevisionAt is the newest revision at a time, 0 for before all that is known.
	RevisionAt(at time.Time) int64
	// Authors gives who made changes, by their revisions, as far as it is known.
	Authors(ctx context.Context, changes []registry.Change) map[int64]request.Author
}

// History is what became of objects: the answer to a get or list with
// ?history=true. Whoever may get or list the objects may see it; from where and
// with what they were written only for whoever may see requests.
type History struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	// Since tells how far back the past is known.
	Since    time.Time `json:"since,omitzero"`
	Oldest   string    `json:"oldestResourceVersion"`
	More     bool      `json:"more,omitempty"`
	Versions []Version `json:"versions"`
}

// Version is one write.
type Version struct {
	ResourceVersion string `json:"resourceVersion"`
	// Action is create, update or delete.
	Action    string          `json:"action"`
	Time      time.Time       `json:"time,omitzero"`
	Group     string          `json:"group,omitempty"`
	Version   string          `json:"version"`
	Resource  string          `json:"resource"`
	Namespace string          `json:"namespace,omitempty"`
	Name      string          `json:"name"`
	UID       string          `json:"uid,omitempty"`
	By        *request.Author `json:"by,omitempty"`
	// Changes are the fields that differ from the version before.
	Changes []diff.Change `json:"changes"`
	// Object is the state after the write, after a delete the last one; only with
	// ?objects=true.
	Object json.RawMessage `json:"object,omitempty"`
}

const (
	usualVersions = 200
	maxVersions   = 2000
)

// wantsPast tells a request for the past.
func (c *call) wantsPast() bool {
	return c.h.Past != nil && c.r.RawQuery != "" && c.sub == nil && c.e.Resource.Virtual == nil && c.r.Query().Get("history") == "true"
}

// past answers with what became of an object, or of those of a namespace.
func (c *call) past(ctx context.Context) (*request.Response, error) {
	o, err := c.pastOptions()
	if err != nil {
		return nil, err
	}
	past, err := c.e.Store.Past(ctx, o)
	if err != nil {
		return nil, err
	}
	h, err := Tell(ctx, c.h.Past, past.Changes, func(ch *registry.Change) (*Version, error) {
		return VersionOf(c.e.Resource, c.e.Version.Name, ch, c.json, c.r.Query().Get("objects") == "true")
	})
	if err != nil {
		return nil, err
	}
	h.More, h.Oldest, h.Since = past.More, revision(past.Since), c.h.Past.TimeOf(past.Since)
	body, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return &request.Response{ContentType: "application/json", Body: append(body, '\n')}, nil
}

// Tell makes a history of changes: with their times and who made them.
func Tell(ctx context.Context, p Past, changes []registry.Change, version func(*registry.Change) (*Version, error)) (*History, error) {
	h := &History{Kind: "History", APIVersion: "pilothouse.dev/v1", Versions: []Version{}}
	authors := p.Authors(ctx, changes)
	for i := range changes {
		v, err := version(&changes[i])
		if err != nil {
			return nil, err
		}
		v.Time = p.TimeOf(changes[i].Revision)
		if a, ok := authors[changes[i].Revision]; ok {
			v.By = &a
			if !a.At.IsZero() {
				v.Time = a.At
			}
		}
		h.Versions = append(h.Versions, *v)
	}
	return h, nil
}

func (c *call) pastOptions() (o registry.PastOptions, err error) {
	q := c.r.Query()
	o = registry.PastOptions{Namespace: c.namespace(), Name: c.r.Info.Name, Limit: usualVersions}
	if text := q.Get("limit"); text != "" {
		if o.Limit, err = strconv.Atoi(text); err != nil || o.Limit < 1 || o.Limit > maxVersions {
			return o, apierrors.NewBadRequest(fmt.Sprintf("limit must be between 1 and %d", maxVersions))
		}
	}
	if o.Since, err = c.revisionAt("since"); err != nil {
		return o, err
	}
	o.Until, err = c.revisionAt("until")
	if err == nil && q.Get("until") != "" && o.Until == 0 {
		o.Until = 1 // before all that is known: nothing
	}
	return o, err
}

// revisionAt reads a parameter that is a time.
func (c *call) revisionAt(name string) (int64, error) {
	text := c.r.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, apierrors.NewBadRequest(name + " must be a time as in RFC 3339")
	}
	return c.h.Past.RevisionAt(at), nil
}

// VersionOf shows a change of a resource's object. encode gives an object's JSON
// in the API version; objects wants it shown.
func VersionOf(res *registry.Resource, apiVersion string, ch *registry.Change, encode func(*watchcache.Object) ([]byte, error), objects bool) (*Version, error) {
	v := &Version{
		ResourceVersion: revision(ch.Revision), Action: "update", Group: res.Group, Version: apiVersion, Resource: res.Name,
		Namespace: ch.Object.Namespace, Name: ch.Object.Name, UID: ch.Object.UID, Changes: []diff.Change{},
	}
	after, err := encode(ch.Object)
	if err != nil {
		return nil, err
	}
	if objects {
		v.Object = after
	}
	switch {
	case ch.Delete:
		v.Action = "delete"
		return v, nil
	case ch.Before == nil:
		v.Action = "create"
		return v, nil
	}
	before, err := encode(ch.Before)
	if err != nil {
		return nil, err
	}
	changes, err := diff.Of(before, after)
	if err != nil {
		return nil, err
	}
	v.Changes = append(v.Changes, changes...)
	return v, nil
}
