package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"pilothouse/backend/admission/cel"
	"pilothouse/backend/admission/match"
	"pilothouse/backend/scheme"

	celgo "github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"google.golang.org/protobuf/types/known/structpb"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/cel/mutation"
	"k8s.io/apiserver/pkg/cel/mutation/dynamic"
)

// compiledMutation is one compiled mutation of a MutatingAdmissionPolicy.
type compiledMutation struct {
	text     string
	compiled cel.Compiled
	// apply makes the expression's value into a changed object.
	apply func(v ref.Val, obj runtime.Object, t *match.Target) (runtime.Object, error)
}

// run gives obj as the mutation changes it; obj itself stays.
func (m *compiledMutation) run(ctx context.Context, s *cel.Scope) (runtime.Object, error) {
	if m.compiled.Err != nil {
		return nil, m.compiled.Err
	}
	value, failed, err := s.Run(ctx, &m.compiled, m.text)
	if err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, failed
	}
	obj, err := m.apply(value, s.Values.Object, s.Values.Target())
	if err != nil {
		return nil, err
	}
	if err := s.Values.Target().Default(obj); err != nil {
		return nil, err
	}
	return obj, nil
}

// applyConfiguration merges what an expression of type Object says into obj.
func applyConfiguration(v ref.Val, obj runtime.Object, t *match.Target) (runtime.Object, error) {
	o, ok := v.(*dynamic.ObjectVal)
	if !ok {
		return nil, fmt.Errorf("unsupported return type from ApplyConfiguration expression: %v", v.Type())
	}
	if err := o.CheckTypeNamesMatchFieldPathNames(); err != nil {
		return nil, fmt.Errorf("type mismatch: %w", err)
	}
	fields, ok := o.Value().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("invalid return type: %T", v)
	}
	patch := &unstructured.Unstructured{Object: fields}
	patch.SetGroupVersionKind(t.Kind)
	merged, err := merge(obj, patch, t)
	if err != nil {
		return nil, fmt.Errorf("error applying patch: %w", err)
	}
	return typed(merged, obj, t)
}

// typed gives merged in the Go type of like.
func typed(merged map[string]any, like runtime.Object, t *match.Target) (runtime.Object, error) {
	if t.Dynamic() {
		return &unstructured.Unstructured{Object: runtime.DeepCopyJSON(merged)}, nil
	}
	out := t.New(like)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(merged, out); err != nil {
		return nil, err
	}
	return out, nil
}

// jsonPatch applies the JSON patch that an expression made.
func jsonPatch(v ref.Val, obj runtime.Object, t *match.Target) (runtime.Object, error) {
	patch, err := operations(v)
	if err != nil {
		return nil, err
	}
	if len(patch) > scheme.MaxPatchOperations {
		return nil, fmt.Errorf("JSON Patch: the allowed maximum operations in a JSON patch is %d, got %d", scheme.MaxPatchOperations, len(patch))
	}
	before, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("failed to create JSON patch: %w", err)
	}
	after, err := scheme.ApplyPatch(patch, before)
	if errors.Is(err, jsonpatch.ErrTestFailed) {
		return obj, nil // the patch says itself that it is not for this object
	}
	if err != nil {
		return nil, fmt.Errorf("JSON Patch: %w", err)
	}
	out := t.New(obj)
	strict, err := scheme.Decode(after, runtime.ContentTypeJSON, out, t.Kind, scheme.Strict)
	if err == nil && len(strict) > 0 {
		err = runtime.NewStrictDecodingError(strict)
	}
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	return out, nil
}

// operations turns a list of CEL's JSONPatch into a patch.
func operations(v ref.Val) (jsonpatch.Patch, error) {
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, errors.New("type mismatch: JSONPatchType.expression should evaluate to array")
	}
	patch := jsonpatch.Patch{}
	for it := list.Iterator(); it.HasNext() == celgo.True; {
		native, err := it.Next().ConvertToNative(reflect.TypeFor[*mutation.JSONPatchVal]())
		if err != nil {
			return nil, fmt.Errorf("type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch: %w", err)
		}
		one, ok := native.(*mutation.JSONPatchVal)
		if !ok {
			return nil, fmt.Errorf("type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch, got element of %T", native)
		}
		op, err := operation(one)
		if err != nil {
			return nil, err
		}
		patch = append(patch, op)
	}
	return patch, nil
}

func operation(v *mutation.JSONPatchVal) (jsonpatch.Operation, error) {
	op := jsonpatch.Operation{"op": quoted(v.Op), "path": quoted(v.Path)}
	if v.From != "" {
		op["from"] = quoted(v.From)
	}
	if v.Val == nil {
		return op, nil
	}
	if o, ok := v.Val.(*dynamic.ObjectVal); ok {
		if err := o.CheckTypeNamesMatchFieldPathNames(); err != nil {
			return nil, fmt.Errorf("type mismatch: %w", err)
		}
	}
	native, err := v.Val.ConvertToNative(reflect.TypeFor[*structpb.Value]())
	if err == nil {
		var raw json.RawMessage
		if raw, err = json.Marshal(native); err == nil {
			op["value"] = &raw
			return op, nil
		}
	}
	return nil, fmt.Errorf("JSONPath valueExpression evaluated to a type that could not marshal to JSON: %w", err)
}

func quoted(s string) *json.RawMessage {
	b, _ := json.Marshal(s) // a string always has JSON
	raw := json.RawMessage(b)
	return &raw
}
