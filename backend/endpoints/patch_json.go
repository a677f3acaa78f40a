package endpoints

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"pilothouse/backend/scheme"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"
)

// json applies a JSON patch (RFC 6902) or a merge patch (RFC 7386) to an
// object's JSON.
func (p *patcher) json(current, next runtime.Object) error {
	doc, err := p.document(current)
	if err != nil {
		return err
	}
	patched, faults, err := p.patchJSON(doc)
	if err != nil {
		return err
	}
	if known, err := p.versionless(doc, patched); known || err != nil {
		return err
	}
	strict, err := p.readResult(patched, next)
	if err != nil {
		return badResult(p.shown(doc, patched), err)
	}
	if len(strict) > 1 && p.kind == mergePatch { // the order of the document shown
		if again, err := p.readResult([]byte(p.shown(doc, patched)), next); err == nil {
			strict = again
		}
	}
	if obj, ok := next.(scheme.Object); ok && p.c.sub == nil || ok && p.c.sub.Strategy != nil {
		unknown, err := p.c.coerce(obj, p.validation)
		if err != nil {
			return err
		}
		strict = append(strict, unknown...)
	}
	faults = append(faults, strict...)
	if len(faults) == 0 {
		return nil
	}
	return p.strictFault(p.shown(doc, patched), faults)
}

// versionless is for results that do not say their version: Kubernetes reads
// those as its internal form of the kind, whose fields have no names in JSON, so
// that nothing is left of the object. known is false for all other results, and
// for custom resources, which have no such form.
func (p *patcher) versionless(doc, patched []byte) (known bool, err error) {
	// Fields are sorted, and few kinds have one before it.
	if bytes.HasPrefix(patched, []byte(`{"apiVersion":"`+p.c.v.gvr.GroupVersion().String()+`"`)) {
		return false, nil
	}
	var head struct {
		APIVersion *string `json:"apiVersion"`
	}
	if p.c.e.Resource.Dynamic || json.Unmarshal(patched, &head) != nil {
		return false, nil
	}
	if head.APIVersion != nil && *head.APIVersion != "" {
		if _, err := schema.ParseGroupVersion(*head.APIVersion); err != nil {
			return true, badResult(p.shown(doc, patched), err)
		}
		return false, nil
	}
	if p.validation == scheme.Strict {
		var faults []error
		text := p.shown(doc, patched)
		dec := json.NewDecoder(strings.NewReader(text))
		_, _ = dec.Token()
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				break
			}
			if key != "kind" && key != "apiVersion" {
				faults = append(faults, fmt.Errorf("unknown field %q", key))
			}
			var value json.RawMessage
			if dec.Decode(&value) != nil {
				break
			}
		}
		return true, badResult(text, runtime.NewStrictDecodingError(faults))
	}
	return true, p.c.checkName(&metav1.ObjectMeta{})
}

// shown is the patched JSON as an error shows it: Kubernetes' library for merge
// patches sorts the fields of what it touches.
func (p *patcher) shown(doc, patched []byte) (text string) {
	if p.kind != mergePatch {
		return string(patched)
	}
	defer func() {
		if recover() != nil { // the library, on what it did not expect
			text = string(patched)
		}
	}()
	if sorted, err := jsonpatch.MergePatch(doc, p.body); err == nil {
		return string(sorted)
	}
	return string(patched)
}

// document gives the JSON of the current object: the stored bytes where they are
// those of the version that is patched.
func (p *patcher) document(current runtime.Object) ([]byte, error) {
	if p.stored != nil {
		return p.stored, nil
	}
	raw, err := scheme.EncodeAs(current, scheme.MediaJSON, false)
	if err != nil {
		return nil, err
	}
	return trimNewline(raw), nil
}

// readResult reads patched JSON into an empty object. strict are its unknown
// and duplicate fields; what becomes of them is decided together with those of
// the patch itself. The error has the text of the JSON reader alone.
func (p *patcher) readResult(patched []byte, next runtime.Object) (strict []error, err error) {
	validation := scheme.Warn
	if p.validation == scheme.Ignore {
		validation = scheme.Ignore
	}
	empty := next.DeepCopyObject()
	strict, err = scheme.Decode(patched, scheme.MediaJSON, next, p.gvk, validation)
	if err == nil {
		return strict, nil
	}
	if _, plain := kjson.UnmarshalStrict(patched, empty); plain != nil {
		return nil, plain
	}
	return nil, scheme.Cause(err)
}

// patchOperation is one operation of a JSON patch.
type patchOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	From  string `json:"from"`
	Value any    `json:"value"`
}

// patchJSON gives the patched JSON and what is wrong with the patch's own
// fields.
func (p *patcher) patchJSON(doc []byte) (patched []byte, faults []error, err error) {
	if p.kind == mergePatch {
		return p.mergeJSON(doc)
	}
	if p.validation != scheme.Ignore {
		var operations []patchOperation
		if faults, err = kjson.UnmarshalStrict(p.body, &operations); err != nil {
			return nil, nil, apierrors.NewBadRequest("error decoding patch: " + upstreamType(err.Error()))
		}
		for i, f := range faults {
			faults[i] = fmt.Errorf("json patch %w", f)
		}
	}
	patch, err := jsonpatch.DecodePatch(p.body)
	if err != nil {
		return nil, nil, apierrors.NewBadRequest(err.Error())
	}
	if len(patch) > scheme.MaxPatchOperations {
		return nil, nil, apierrors.NewRequestEntityTooLargeError(
			fmt.Sprintf("The allowed maximum operations in a JSON patch is %d, got %d", scheme.MaxPatchOperations, len(patch)))
	}
	patched, err = scheme.ApplyPatch(patch, doc)
	if err != nil {
		return nil, nil, unprocessable(err.Error())
	}
	return patched, faults, nil
}

func (p *patcher) mergeJSON(doc []byte) (patched []byte, faults []error, err error) {
	if p.validation != scheme.Ignore {
		fields := map[string]any{}
		if faults, err = kjson.UnmarshalStrict(p.body, &fields); err != nil {
			return nil, nil, apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: %v", err))
		}
	}
	defer recovered(&err)
	patched, err = mergeDocument(doc, p.body)
	switch {
	case errors.Is(err, jsonpatch.ErrBadJSONPatch):
		return nil, nil, apierrors.NewBadRequest(err.Error())
	case err != nil:
		return nil, nil, shownError(err.Error())
	}
	return patched, faults, nil
}

// recovered turns a panic of a patch library into an error: what a client sends
// must not bring more than its own request down.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = apierrors.NewBadRequest(fmt.Sprintf("the patch cannot be applied: %v", p))
	}
}

// upstreamType says the name that Kubernetes' patchOperation has.
func upstreamType(text string) string {
	return strings.Replace(strings.Replace(text, "endpoints.", "handlers.", 1), "patchOperation", "jsonPatchOp", 1)
}

func trimNewline(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		return b[:n-1]
	}
	return b
}
