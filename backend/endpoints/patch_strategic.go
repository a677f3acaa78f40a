package endpoints

import (
	"errors"
	"fmt"

	"pilothouse/backend/scheme"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/mergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	kjson "sigs.k8s.io/json"
)

// strategic applies a strategic merge patch, which knows from the Go types which
// lists are merged by which key.
func (p *patcher) strategic(current, next runtime.Object) error {
	original, err := runtime.DefaultUnstructuredConverter.ToUnstructured(current)
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("object as a map: %w", err))
	}
	patch := map[string]any{}
	var faults []error
	if p.validation == scheme.Ignore {
		err = kjson.UnmarshalCaseSensitivePreserveInts(p.body, &patch)
	} else {
		faults, err = kjson.UnmarshalStrict(p.body, &patch)
	}
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	// The patch's text for messages: merging may take it apart.
	text := func() string { return fmt.Sprintf("%+v", patch) }
	merged, err := mergeStrategic(original, patch, next)
	if err != nil {
		return err
	}
	err = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(merged, next, p.validation != scheme.Ignore)
	strict, isStrict := runtime.AsStrictDecodingError(err)
	switch {
	case err != nil && !isStrict:
		return badResult(text(), err)
	case isStrict:
		faults = append(faults, strict.Errors()...)
	}
	if len(faults) == 0 {
		return nil
	}
	return p.strictFault(text(), faults)
}

func mergeStrategic(original, patch map[string]any, like runtime.Object) (merged strategicpatch.JSONMap, err error) {
	defer recovered(&err)
	merged, err = strategicpatch.StrategicMergeMapPatch(original, patch, like)
	switch {
	case err == nil:
		return merged, nil
	case errors.Is(err, mergepatch.ErrBadJSONDoc),
		errors.Is(err, mergepatch.ErrBadPatchFormatForPrimitiveList),
		errors.Is(err, mergepatch.ErrBadPatchFormatForRetainKeys),
		errors.Is(err, mergepatch.ErrBadPatchFormatForSetElementOrderList),
		errors.Is(err, mergepatch.ErrUnsupportedStrategicMergePatchFormat):
		return nil, apierrors.NewBadRequest(err.Error())
	case errors.Is(err, mergepatch.ErrNoListOfLists),
		errors.Is(err, mergepatch.ErrPatchContentNotMatchRetainKeys):
		return nil, unprocessable(err.Error())
	}
	return nil, shownError(err.Error())
}
