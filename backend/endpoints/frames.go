package endpoints

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"pilothouse/backend/metrics"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// frameKind is what the object of each event is turned into.
type frameKind int

const (
	objectFrames frameKind = iota
	metadataFrames
	tableFrames
)

// frames writes a watch's events in the form that its client asked for. Most
// are put together from bytes that are there already; tables and metadata are
// made once for an event and shared by everyone who watches in that form.
type frames struct {
	c        call
	kind     frameKind
	protobuf bool
	table    *metav1.TableOptions
	now      registry.Clock
	// headed tells that a table's columns have been sent.
	headed bool
	sent   *metrics.WatchEvents
}

// frameKeys are the names of shared frames.
type frameKeys struct {
	metadata map[string]string // by version of meta.k8s.io
	table    map[tableFrameKey]string
}

type tableFrameKey struct {
	version string
	include metav1.IncludeObjectPolicy
}

func newFrameKeys(variant string) frameKeys {
	k := frameKeys{metadata: map[string]string{}, table: map[tableFrameKey]string{}}
	for _, version := range []string{"v1", "v1beta1"} {
		k.metadata[version] = "metadata " + version + " " + variant
		for _, include := range []metav1.IncludeObjectPolicy{"", metav1.IncludeNone, metav1.IncludeObject, metav1.IncludeMetadata} {
			k.table[tableFrameKey{version, include}] = "table " + version + " " + string(include) + " " + variant
		}
	}
	return k
}

func (f *frames) mediaType() string {
	if f.protobuf {
		return scheme.MediaProtobuf + ";stream=watch"
	}
	return scheme.MediaJSON
}

// The JSON around an event's object.
var (
	frameHeads = [...][]byte{
		watchcache.Added:    []byte(`{"type":"ADDED","object":`),
		watchcache.Modified: []byte(`{"type":"MODIFIED","object":`),
		watchcache.Deleted:  []byte(`{"type":"DELETED","object":`),
	}
	bookmarkHead = []byte(`{"type":"BOOKMARK","object":`)
	errorHead    = []byte(`{"type":"ERROR","object":`)
	frameTail    = []byte("}\n")
)

// event writes one event and counts it.
func (f *frames) event(w request.ChunkWriter, e *watchcache.Event) error {
	switch {
	case f.protobuf:
		body, err := f.protobufObject(e.Object)
		if err != nil {
			return err
		}
		return f.protobufFrame(w, e.Type.String(), body)
	case f.kind == metadataFrames:
		version := f.c.form.As.Version
		frame, err := e.Frame(f.c.v.keys.frame.metadata[version], func() ([]byte, error) {
			m, err := f.c.metadataJSON(e.Object)
			if err != nil {
				return nil, err
			}
			return join(frameHeads[e.Type], []byte(partialHead(version)), m, []byte("}"), frameTail), nil
		})
		if err != nil {
			return err
		}
		return f.write(w, frame)
	case f.kind == tableFrames:
		return f.tableEvent(w, e)
	}
	body, err := f.c.json(e.Object)
	if err != nil {
		return err
	}
	return f.write(w, frameHeads[e.Type], body, frameTail)
}

// write writes the parts of a frame.
func (f *frames) write(w request.ChunkWriter, parts ...[]byte) error {
	size := 0
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
		size += len(part)
	}
	f.sent.Sent(size)
	return nil
}

// tableEvent writes an event as a table of one row. The first one carries the
// columns.
func (f *frames) tableEvent(w request.ChunkWriter, e *watchcache.Event) error {
	if !f.headed && !f.table.NoHeaders {
		f.headed = true
		frame, err := f.tableFrame(frameHeads[e.Type], e.Object, f.table)
		if err != nil {
			return err
		}
		return f.write(w, frame)
	}
	key := f.c.v.keys.frame.table[tableFrameKey{f.c.form.As.Version, f.table.IncludeObject}]
	frame, err := e.Frame(key, func() ([]byte, error) {
		return f.tableFrame(frameHeads[e.Type], e.Object, &metav1.TableOptions{IncludeObject: f.table.IncludeObject, NoHeaders: true})
	})
	if err != nil {
		return err
	}
	return f.write(w, frame)
}

func (f *frames) tableFrame(head []byte, o *watchcache.Object, opts *metav1.TableOptions) ([]byte, error) {
	row, err := f.c.row(o, f.now(), opts)
	if err != nil {
		return nil, err
	}
	return f.rowFrame(head, o, row, opts)
}

func (f *frames) rowFrame(head []byte, o *watchcache.Object, row tableRow, opts *metav1.TableOptions) ([]byte, error) {
	t := newTableStream(&f.c, listOf(o), opts)
	t.add(row)
	body, err := whole(t)
	if err != nil {
		return nil, err
	}
	return join(head, body, frameTail), nil
}

// bookmark writes an event that carries a revision alone.
func (f *frames) bookmark(w request.ChunkWriter, revision int64, initialEnd bool) error {
	o, obj, err := f.bookmarkObject(revision, initialEnd)
	if err != nil {
		return err
	}
	switch {
	case f.protobuf:
		body, err := f.protobufObject(o)
		if err != nil {
			return err
		}
		return f.protobufFrame(w, "BOOKMARK", body)
	case f.kind == metadataFrames:
		m, err := f.c.metadataJSON(o)
		if err != nil {
			return err
		}
		return f.write(w, bookmarkHead, []byte(partialHead(f.c.form.As.Version)), m, []byte("}"), frameTail)
	case f.kind == tableFrames:
		opts := *f.table
		opts.NoHeaders = opts.NoHeaders || f.headed
		if initialEnd && opts.IncludeObject == metav1.IncludeNone {
			opts.IncludeObject = metav1.IncludeMetadata // the annotation must be seen
		}
		frame, err := f.bookmarkTable(o, obj, &opts)
		if err != nil {
			return err
		}
		f.headed = true
		return f.write(w, frame)
	}
	body, err := f.c.json(o)
	if err != nil {
		return err
	}
	return f.write(w, bookmarkHead, body, frameTail)
}

// bookmarkObject makes the object of a bookmark: an empty one of the kind, with
// a resourceVersion. It is in the storage version, like all objects that have
// no variants yet.
func (f *frames) bookmarkObject(revision int64, initialEnd bool) (*watchcache.Object, scheme.Object, error) {
	res := f.c.e.Resource
	hub := res.Hub()
	blank := hub.New
	if res.Blank != nil {
		blank = res.Blank
	}
	obj := blank()
	if u, ok := obj.(*unstructured.Unstructured); ok && u.Object == nil {
		u.Object = map[string]any{}
	}
	if initialEnd {
		obj.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	encoded, err := scheme.Encode(obj, res.HubKind(), revision)
	if err != nil {
		return nil, nil, err
	}
	return &watchcache.Object{Revision: revision, Raw: encoded.Raw}, obj, nil
}

// bookmarkTable is a bookmark's table: its one row shows an empty object without
// what reading it again would default.
func (f *frames) bookmarkTable(o *watchcache.Object, obj scheme.Object, opts *metav1.TableOptions) ([]byte, error) {
	if f.c.e.Version.Cells != nil {
		var err error
		if obj, err = f.c.fromHub(obj); err != nil {
			return nil, err
		}
	}
	row, err := f.c.rowOf(obj, f.now())
	if err != nil {
		return nil, err
	}
	if row, err = f.c.withObject(row, o, opts); err != nil {
		return nil, err
	}
	return f.rowFrame(bookmarkHead, o, row, opts)
}

// status writes an error as an event.
func (f *frames) status(w request.ChunkWriter, s *metav1.Status) error {
	if f.protobuf {
		body, err := s.Marshal()
		if err != nil {
			return apierrors.NewInternalError(fmt.Errorf("encode status: %w", err))
		}
		return f.protobufFrame(w, "ERROR", envelope("v1", "Status", body))
	}
	body, err := json.Marshal(s)
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("encode status: %w", err))
	}
	return f.write(w, errorHead, body, frameTail)
}

// protobufObject gives the bytes of an event's object, envelope included.
func (f *frames) protobufObject(o *watchcache.Object) ([]byte, error) {
	if f.kind == metadataFrames {
		body, err := f.c.metadataProtobuf(o)
		if err != nil {
			return nil, err
		}
		return envelope(f.c.form.As.GroupVersion().String(), "PartialObjectMetadata", body), nil
	}
	body, err := f.c.protobuf(o)
	if err != nil {
		return nil, err
	}
	return envelope(f.c.v.apiVersion, f.c.v.gvk.Kind, body), nil
}

// protobufFrame writes a WatchEvent message after its length in four bytes.
func (f *frames) protobufFrame(w request.ChunkWriter, eventType string, object []byte) error {
	raw := appendFieldHead(nil, 1, len(object)) // RawExtension.raw
	b := make([]byte, 4, 64)
	b = appendField(b, 1, []byte(eventType))
	b = appendFieldHead(b, 2, len(raw)+len(object))
	b = append(b, raw...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4+len(object)))
	return f.write(w, b, object)
}

// join puts the parts of a frame together.
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
