package endpoints

import (
	"encoding/json"
	"fmt"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/watchcache"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Kubernetes' protobuf is the message runtime.Unknown after four bytes: kind
// and apiVersion, the object's own message, two strings that are empty here.
// The parts are put together by hand, so that objects that were encoded once
// need not be encoded again for an envelope, a list or a watch event around
// them. TestProtobufEnvelope and its neighbours compare with the real types.

const protobufMagic = "k8s\x00"

// marshaler is a generated protobuf message.
type marshaler interface{ Marshal() ([]byte, error) }

// protobuf gives an object's own message, without an envelope: shared bytes.
func (c *call) protobuf(o *watchcache.Object) ([]byte, error) {
	return o.Variant(c.v.keys.protobuf, func() ([]byte, error) {
		obj, err := c.decode(o)
		if err != nil {
			return nil, err
		}
		m, ok := obj.(marshaler)
		if !ok {
			return nil, apierrors.NewInternalError(fmt.Errorf("%s has no protobuf form", c.v.gvk.Kind))
		}
		return m.Marshal()
	})
}

// metadataProtobuf gives the PartialObjectMetadata message of an object.
func (c *call) metadataProtobuf(o *watchcache.Object) ([]byte, error) {
	return o.Variant(c.v.keys.metadata, func() ([]byte, error) {
		raw, err := c.metadataJSON(o)
		if err != nil {
			return nil, err
		}
		var partial metav1.PartialObjectMetadata
		if err := json.Unmarshal(raw, &partial.ObjectMeta); err != nil {
			return nil, apierrors.NewInternalError(fmt.Errorf("decode metadata: %w", err))
		}
		return partial.Marshal()
	})
}

// envelopeHead is everything of an envelope before a body of n bytes,
// envelopeTail what comes after it.
func envelopeHead(apiVersion, kind string, n int) []byte {
	typeMeta := appendField(nil, 1, []byte(apiVersion))
	typeMeta = appendField(typeMeta, 2, []byte(kind))
	b := make([]byte, 0, len(protobufMagic)+len(typeMeta)+16)
	b = append(b, protobufMagic...)
	b = appendField(b, 1, typeMeta)
	return appendFieldHead(b, 2, n)
}

const envelopeTail = "\x1a\x00\x22\x00" // contentEncoding and contentType, empty

func envelope(apiVersion, kind string, body []byte) []byte {
	head := envelopeHead(apiVersion, kind, len(body))
	out := make([]byte, 0, len(head)+len(body)+len(envelopeTail))
	return append(append(append(out, head...), body...), envelopeTail...)
}

// appendField adds a length-delimited field to a message.
func appendField(b []byte, number int, value []byte) []byte {
	return append(appendFieldHead(b, number, len(value)), value...)
}

// appendFieldHead adds what comes before the n bytes of a length-delimited
// field's value.
func appendFieldHead(b []byte, number, n int) []byte {
	return appendVarint(append(b, byte(number)<<3|2), uint64(n))
}

func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func varintLen(v uint64) (n int) {
	for n = 1; v >= 0x80; n++ {
		v >>= 7
	}
	return n
}

// protobufList is a list of objects whose messages exist already. In every list
// of the API metadata is field 1 and items is field 2.
type protobufList struct {
	head  []byte // the envelope up to the first item
	items [][]byte
	len   int64
}

const itemsField = 2

func newProtobufList(apiVersion, kind string, l *registry.List, items [][]byte) (*protobufList, error) {
	m := metav1.ListMeta{ResourceVersion: revision(l.Revision), Continue: l.Continue, RemainingItemCount: l.Remaining}
	meta, err := m.Marshal()
	if err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("encode list metadata: %w", err))
	}
	meta = appendField(nil, 1, meta)
	n := len(meta)
	for _, item := range items {
		n += 1 + varintLen(uint64(len(item))) + len(item)
	}
	head := append(envelopeHead(apiVersion, kind, n), meta...)
	return &protobufList{head: head, items: items, len: int64(len(head) + n - len(meta) + len(envelopeTail))}, nil
}

// Len implements request.Stream.
func (l *protobufList) Len() int64 { return l.len }

// WriteTo implements request.Stream.
func (l *protobufList) WriteTo(w request.Writer) error {
	if _, err := w.Write(l.head); err != nil {
		return err
	}
	var head [16]byte
	for _, item := range l.items {
		if _, err := w.Write(appendFieldHead(head[:0], itemsField, len(item))); err != nil {
			return err
		}
		if _, err := w.Write(item); err != nil {
			return err
		}
	}
	_, err := w.WriteString(envelopeTail)
	return err
}
