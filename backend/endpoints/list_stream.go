package endpoints

import (
	"bytes"
	"encoding/json"
	"strconv"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/watchcache"
)

// listOf makes a list of one object, which a table shows like a list.
func listOf(o *watchcache.Object) *registry.List {
	return &registry.List{Revision: o.Revision, Items: []*watchcache.Object{o}}
}

// listHead is a list's JSON from start, which ends in the opening brace of
// metadata, up to metadata's closing brace. always has it say that there is no
// more, as lists of custom resources do.
func listHead(start string, l *registry.List, always bool) []byte {
	b := make([]byte, 0, len(start)+128)
	b = append(b, start...)
	if l.Revision > 0 { // what a dry run creates has none
		b = append(b, `"resourceVersion":"`...)
		b = append(strconv.AppendInt(b, l.Revision, 10), '"')
	}
	if l.Continue != "" || always {
		b = append(b, `,"continue":`...)
		token, _ := json.Marshal(l.Continue) // of a string: cannot fail
		b = append(b, token...)
		if l.Remaining != nil {
			b = append(b, `,"remainingItemCount":`...)
			b = strconv.AppendInt(b, *l.Remaining, 10)
		}
	}
	return append(b, '}')
}

// jsonList is a list in JSON made of the stored bytes of its items.
type jsonList struct {
	head  []byte // up to and with the opening bracket
	items []*watchcache.Object
	// bodies are the items' bytes when they are not the objects' own.
	bodies [][]byte
	// cut is how an item starts that is left out: items of built-in kinds have
	// no kind and apiVersion in a list. Empty when nothing is.
	cut string
	len int64
}

const listTail = "]}"

func newJSONList(head []byte, items []*watchcache.Object, bodies [][]byte, cut string) *jsonList {
	l := &jsonList{head: head, items: items, bodies: bodies, cut: cut}
	n := int64(len(head) + len(listTail))
	for i := range l.count() {
		open, rest := l.item(i)
		n += int64(len(open) + len(rest))
	}
	if c := l.count(); c > 1 {
		n += int64(c - 1) // commas
	}
	l.len = n
	return l
}

func (l *jsonList) count() int {
	if l.bodies != nil {
		return len(l.bodies)
	}
	return len(l.items)
}

// item gives one item's bytes in two parts.
func (l *jsonList) item(i int) (open string, rest []byte) {
	var raw []byte
	if l.bodies != nil {
		raw = l.bodies[i]
	} else {
		raw = l.items[i].Raw
	}
	if l.cut == "" {
		return "", raw
	}
	if len(raw) > len(l.cut) && string(raw[:len(l.cut)]) == l.cut {
		return "{", raw[len(l.cut):]
	}
	return "", withoutKind(raw)
}

// Len implements request.Stream.
func (l *jsonList) Len() int64 { return l.len }

// WriteTo implements request.Stream.
func (l *jsonList) WriteTo(w request.Writer) error {
	if _, err := w.Write(l.head); err != nil {
		return err
	}
	for i := range l.count() {
		open, rest := l.item(i)
		switch {
		case i > 0 && open != "":
			open = ",{"
		case i > 0:
			open = ","
		}
		if _, err := w.WriteString(open); err != nil {
			return err
		}
		if _, err := w.Write(rest); err != nil {
			return err
		}
	}
	_, err := w.WriteString(listTail)
	return err
}

// withoutKind takes kind and apiVersion out of an object whose JSON doesn't
// start with them in the usual order.
func withoutKind(raw []byte) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return raw
	}
	delete(fields, "kind")
	delete(fields, "apiVersion")
	out, err := json.Marshal(fields)
	if err != nil {
		return raw
	}
	return out
}

// whole gives a stream's bytes in one piece, for forms that are made of the
// whole text.
func whole(s request.Stream) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, s.Len()))
	if err := s.WriteTo(b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
