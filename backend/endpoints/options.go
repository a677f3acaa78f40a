package endpoints

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	internalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	internalvalidation "k8s.io/apimachinery/pkg/apis/meta/internalversion/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Options come from the query, for deletes also from the body. They are read
// and checked by apimachinery's own code, whose texts clients see.

// decodeQuery reads the parameters of a query into options; an error is a 400.
func decodeQuery(r *request.Request, into runtime.Object) error {
	if r.RawQuery == "" {
		return nil
	}
	if err := internalscheme.ParameterCodec.DecodeParameters(r.Query(), metav1.SchemeGroupVersion, into); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	return nil
}

// invalidOptions gives the 422 for options of a kind of meta.k8s.io.
func invalidOptions(kind string, faults field.ErrorList) error {
	if len(faults) == 0 {
		return nil
	}
	return apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: kind}, "", faults)
}

func optionsKind(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: kind}
}

func getOptions(r *request.Request) (o metav1.GetOptions, err error) {
	if r.RawQuery == "" {
		return o, nil
	}
	if exports := r.Query()["export"]; len(exports) > 0 {
		export := true
		if err := runtime.Convert_Slice_string_To_bool(&exports, &export, nil); err != nil {
			return o, apierrors.NewBadRequest(fmt.Sprintf("the export parameter cannot be parsed: %v", err))
		}
		if export {
			return o, apierrors.NewBadRequest("the export parameter, deprecated since v1.14, is no longer supported")
		}
	}
	return o, decodeQuery(r, &o)
}

func createOptions(r *request.Request) (*metav1.CreateOptions, error) {
	o := &metav1.CreateOptions{}
	if r.RawQuery != "" {
		if err := decodeQuery(r, o); err != nil {
			return nil, err
		}
		if err := invalidOptions("CreateOptions", validation.ValidateCreateOptions(o)); err != nil {
			return nil, err
		}
	}
	o.TypeMeta = optionsKind("CreateOptions")
	return o, nil
}

func updateOptions(r *request.Request) (*metav1.UpdateOptions, error) {
	o := &metav1.UpdateOptions{}
	if r.RawQuery != "" {
		if err := decodeQuery(r, o); err != nil {
			return nil, err
		}
		if err := invalidOptions("UpdateOptions", validation.ValidateUpdateOptions(o)); err != nil {
			return nil, err
		}
	}
	o.TypeMeta = optionsKind("UpdateOptions")
	return o, nil
}

func patchOptions(r *request.Request, patchType string) (*metav1.PatchOptions, error) {
	o := &metav1.PatchOptions{}
	if err := decodeQuery(r, o); err != nil {
		return nil, err
	}
	if err := invalidOptions("PatchOptions", validation.ValidatePatchOptions(o, types.PatchType(patchType))); err != nil {
		return nil, err
	}
	o.TypeMeta = optionsKind("PatchOptions")
	return o, nil
}

// The options that admission sees for a patch are those of the create or the
// update that it turns out to be.

func patchAsUpdate(o *metav1.PatchOptions) *metav1.UpdateOptions {
	return &metav1.UpdateOptions{
		TypeMeta: optionsKind("UpdateOptions"),
		DryRun:   o.DryRun, FieldManager: o.FieldManager, FieldValidation: o.FieldValidation,
	}
}

func updateAsCreate(o *metav1.UpdateOptions) *metav1.CreateOptions {
	return &metav1.CreateOptions{
		TypeMeta: optionsKind("CreateOptions"),
		DryRun:   o.DryRun, FieldManager: o.FieldManager, FieldValidation: o.FieldValidation,
	}
}

// deleteOptions reads the options of a delete: from its body when it has one,
// and then from there alone.
func deleteOptions(r *request.Request) (*metav1.DeleteOptions, error) {
	o := &metav1.DeleteOptions{}
	switch {
	case len(r.Body) > 0:
		if err := deleteOptionsFromBody(r, o); err != nil {
			return nil, err
		}
	default:
		if err := decodeQuery(r, o); err != nil {
			return nil, err
		}
	}
	o.IgnoreStoreReadErrorWithClusterBreakingPotential = nil // behind a feature gate that is off
	if err := invalidOptions("DeleteOptions", validation.ValidateDeleteOptions(o)); err != nil {
		return nil, err
	}
	o.TypeMeta = optionsKind("DeleteOptions")
	return o, nil
}

// metaScheme is the name of the scheme that knows DeleteOptions, as Kubernetes'
// messages have it.
const metaScheme = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"

func deleteOptionsFromBody(r *request.Request, into *metav1.DeleteOptions) error {
	mediaType, err := scheme.NegotiateBody(r.Header.Get("Content-Type"), scheme.Offer{})
	if err != nil {
		return err
	}
	info, ok := runtime.SerializerInfoForMediaType(internalscheme.Codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		return apierrors.NewInternalError(fmt.Errorf("no serializer for %s", mediaType))
	}
	gvk := metav1.SchemeGroupVersion.WithKind("DeleteOptions")
	obj, actual, err := internalscheme.Codecs.DecoderToVersion(info.Serializer, gvk.GroupVersion()).Decode(r.Body, &gvk, into)
	if err != nil {
		if runtime.IsNotRegisteredError(err) && actual != nil {
			err = runtime.NewNotRegisteredErrForKind(metaScheme, *actual)
		}
		return apierrors.NewBadRequest(err.Error())
	}
	if obj != into {
		return apierrors.NewBadRequest("decoded object cannot be converted to DeleteOptions")
	}
	return nil
}

// listOptions reads the options of a list, a watch or a deletecollection.
func listOptions(r *request.Request) (*internalversion.ListOptions, error) {
	o := &internalversion.ListOptions{}
	if r.RawQuery == "" {
		return o, nil
	}
	if err := decodeQuery(r, o); err != nil {
		return nil, err
	}
	internalversion.SetListOptionsDefaults(o, true)
	return o, invalidOptions("ListOptions", internalvalidation.ValidateListOptions(o, true))
}

// tableOptions reads includeObject and noHeaders.
func tableOptions(query url.Values) (*metav1.TableOptions, error) {
	o := &metav1.TableOptions{}
	if len(query) == 0 {
		return o, nil
	}
	if err := internalscheme.ParameterCodec.DecodeParameters(query, metav1.SchemeGroupVersion, o); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	switch faults := validation.ValidateTableOptions(o); len(faults) {
	case 0:
		return o, nil
	case 1:
		return nil, apierrors.NewBadRequest(fmt.Sprintf("Unable to convert to Table as requested: %v", faults[0].Error()))
	default:
		return nil, apierrors.NewBadRequest(fmt.Sprintf("Unable to convert to Table as requested: %v", faults))
	}
}

func isDryRun(values []string) bool { return len(values) > 0 }

// fieldValidation gives what is to happen to unknown and duplicate fields:
// Warn when the client doesn't say.
func fieldValidation(v string) scheme.Validation {
	if v == "" {
		return scheme.Warn
	}
	return scheme.Validation(v)
}

// fieldManager is the name under which a write's fields are tracked: the
// client's choice, or the start of its User-Agent.
func (c *call) fieldManager(chosen string) string {
	if chosen != "" {
		return chosen
	}
	agent, _, _ := strings.Cut(c.r.Header.Get("User-Agent"), "/")
	return printable(agent, validation.FieldManagerMaxLength)
}

// printable keeps the printable letters of s, at most max bytes.
func printable(s string, max int) string {
	var b strings.Builder
	for _, letter := range s {
		if !unicode.IsPrint(letter) {
			continue
		}
		if b.Len()+utf8.RuneLen(letter) > max {
			break
		}
		b.WriteRune(letter)
	}
	return b.String()
}

// warnStrict sends what is wrong with a body's fields as warnings. The YAML
// decoder gives its faults in one error, one on each line.
func warnStrict(r *request.Request, faults []error) {
	for _, fault := range faults {
		for _, line := range yamlFaults(fault.Error()) {
			r.Warn(line)
		}
	}
}

func yamlFaults(text string) []string {
	for _, prefix := range []string{
		"error converting YAML to JSON: yaml: unmarshal errors:\n",
		"yaml: unmarshal errors:\n",
	} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			lines := strings.Split(rest, "\n")
			for i := range lines {
				lines[i] = strings.TrimSpace(lines[i])
			}
			return lines
		}
	}
	return []string{text}
}
