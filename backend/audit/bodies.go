package audit

import (
	"bytes"
	"encoding/json"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// bodies fills in the objects of request and response as far as the level wants
// them, and the Status that a delete answers with at every level. It gives the
// response to send: a stream is read to be recorded, and becomes a body.
func (rec *record) bodies(p *request.Response, err error) *request.Response {
	i := &rec.r.Info
	if !i.IsResource {
		return p
	}
	full := rec.level == auditv1.LevelRequestResponse
	if (full || rec.level == auditv1.LevelRequest) && rec.hasObject() {
		rec.request = rec.sent()
	}
	if err != nil {
		if full {
			rec.response = rec.errorObject()
		}
		return p
	}
	if p == nil {
		return p
	}
	if full && p.Stream != nil {
		p = materialized(p)
	}
	isDelete := i.Verb == "delete" || i.Verb == "deletecollection"
	if !full && (!isDelete || len(p.Body) == 0 || !bytes.Contains(p.Body[:min(len(p.Body), 64)], []byte("Status"))) {
		return p
	}
	object := rec.object(p.Body, p.ContentType)
	if isDelete {
		rec.takeStatus(object)
	}
	if full {
		rec.response = object
	}
	return p
}

// hasObject tells a request whose body is the API's: one that was let through to
// the verbs that read one. What is proxied is not.
func (rec *record) hasObject() bool {
	i := &rec.r.Info
	if len(rec.r.Body) == 0 || i.LongRunning() || rec.r.Annotation("authorization.k8s.io/decision") != "allow" {
		return false
	}
	switch i.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	}
	return false
}

// sent is the object in the body: with its defaults when the API has read it as
// one, as it was sent else (patches, options).
func (rec *record) sent() []byte {
	raw := rec.r.KeptBody()
	if raw == nil {
		return rec.object(rec.r.Body, rec.r.Header.Get("Content-Type"))
	}
	if rec.c.OmitManagedFields {
		raw = withoutManagedFields(raw)
	}
	return raw
}

// object gives a body as JSON, nil when it is none.
func (rec *record) object(body []byte, contentType string) []byte {
	if len(body) == 0 {
		return nil
	}
	raw, err := scheme.ToJSON(body, contentType)
	if err != nil {
		return nil
	}
	if rec.c.OmitManagedFields {
		raw = withoutManagedFields(raw)
	}
	return raw
}

// errorObject is the Status that an error is answered with.
func (rec *record) errorObject() []byte {
	s := *rec.status
	s.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	raw, err := json.Marshal(&s)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return raw
}

// takeStatus makes the Status in a body the event's.
func (rec *record) takeStatus(object []byte) {
	var s metav1.Status
	if object == nil || json.Unmarshal(object, &s) != nil || s.Kind != "Status" || s.APIVersion != "v1" {
		return
	}
	rec.status = &metav1.Status{Status: s.Status, Message: s.Message, Reason: s.Reason, Details: s.Details, Code: int32(rec.code)}
}

// materialized gives the response with its stream as a body.
func materialized(p *request.Response) *request.Response {
	var b bytes.Buffer
	b.Grow(int(min(p.Stream.Len(), 1<<30)))
	stream := p.Stream
	if err := stream.WriteTo(&b); err != nil {
		return p
	}
	q := *p
	q.Stream, q.Body = nil, b.Bytes()
	return &q
}

var managedFields = []byte(`"managedFields"`)

// withoutManagedFields takes metadata.managedFields out of an object, of a
// list's items and of the objects in a table's rows.
func withoutManagedFields(raw []byte) []byte {
	if !bytes.Contains(raw, managedFields) {
		return raw
	}
	var root map[string]json.RawMessage
	if json.Unmarshal(raw, &root) != nil {
		return raw
	}
	strip(root, "metadata", "managedFields")
	each(root, "items", func(item map[string]json.RawMessage) { strip(item, "metadata", "managedFields") })
	each(root, "rows", func(row map[string]json.RawMessage) {
		inside(row, "object", func(o map[string]json.RawMessage) { strip(o, "metadata", "managedFields") })
	})
	return marshal(root)
}

func strip(o map[string]json.RawMessage, parent, name string) {
	inside(o, parent, func(p map[string]json.RawMessage) { delete(p, name) })
}

func inside(o map[string]json.RawMessage, name string, change func(map[string]json.RawMessage)) {
	var in map[string]json.RawMessage
	if json.Unmarshal(o[name], &in) != nil || in == nil {
		return
	}
	change(in)
	o[name] = marshal(in)
}

func each(o map[string]json.RawMessage, name string, change func(map[string]json.RawMessage)) {
	var list []map[string]json.RawMessage
	if len(o[name]) == 0 || json.Unmarshal(o[name], &list) != nil || list == nil {
		return
	}
	for _, one := range list {
		if one != nil {
			change(one)
		}
	}
	o[name] = marshal(list)
}

func marshal(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return raw
}
