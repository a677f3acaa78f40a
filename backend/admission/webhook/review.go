package webhook

import (
	"encoding/json"
	"errors"
	"fmt"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/match"

	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/types"
)

var reviews = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{admissionv1.AddToScheme, admissionv1beta1.AddToScheme} {
		if err := add(s); err != nil {
			panic(fmt.Sprintf("BUG: types of admission reviews: %v", err))
		}
	}
	return s
}()

var codec = kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, reviews, reviews, kjson.SerializerOptions{})

// reviewVersion is the first of a webhook's versions that there is, empty for
// none.
func reviewVersion(versions []string) string {
	for _, v := range versions {
		if v == "v1" || v == "v1beta1" {
			return v
		}
	}
	return ""
}

var errNoVersion = errors.New("could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)")

// newReview is the JSON that a webhook is sent. obj and old are JSON in the
// target's version, nil for none.
func newReview(version string, uid types.UID, a *admission.Attributes, t *match.Target, obj, old json.RawMessage) ([]byte, error) {
	dryRun := a.DryRun
	kind, resource := metav1.GroupVersionKind(a.Kind), metav1.GroupVersionResource(a.Resource)
	r := &admissionv1.AdmissionRequest{
		UID: uid, Kind: metav1.GroupVersionKind(t.Kind), Resource: metav1.GroupVersionResource(t.Resource), SubResource: a.Subresource,
		RequestKind: &kind, RequestResource: &resource, RequestSubResource: a.Subresource,
		Name: a.Name, Namespace: a.Namespace, Operation: admissionv1.Operation(a.Operation), UserInfo: userInfo(a),
		Object: runtime.RawExtension{Raw: obj}, OldObject: runtime.RawExtension{Raw: old},
		DryRun: &dryRun, Options: runtime.RawExtension{Object: match.Options(a)},
	}
	// v1 and v1beta1 have the same requests.
	return json.Marshal(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{Kind: "AdmissionReview", APIVersion: admissionv1.GroupName + "/" + version},
		Request:  r,
	})
}

func userInfo(a *admission.Attributes) authenticationv1.UserInfo {
	u := a.User
	if u == nil {
		return authenticationv1.UserInfo{}
	}
	out := authenticationv1.UserInfo{Username: u.Name, UID: u.UID, Groups: u.Groups}
	for k, v := range u.Extra {
		if out.Extra == nil {
			out.Extra = map[string]authenticationv1.ExtraValue{}
		}
		out.Extra[k] = v
	}
	return out
}

// answer is what a webhook says.
type answer struct {
	allowed     bool
	result      *metav1.Status
	patch       []byte
	patchType   admissionv1.PatchType
	annotations map[string]string
	warnings    []string
}

// readAnswer reads and checks the answer to a review.
func readAnswer(version string, uid types.UID, mutating bool, body []byte) (*answer, error) {
	if version == "v1" {
		var r admissionv1.AdmissionReview
		if err := decodeInto(body, &r); err != nil {
			return nil, err
		}
		return checkV1(&r, uid, mutating)
	}
	var r admissionv1beta1.AdmissionReview
	if err := decodeInto(body, &r); err != nil {
		return nil, err
	}
	return checkV1beta1(&r, mutating)
}

// unreadable is an answer that is no AdmissionReview at all.
type unreadable struct{ error }

// decodeInto leaves r empty for an object of another kind.
func decodeInto(body []byte, r runtime.Object) error {
	if len(body) == 0 {
		return unreadable{errors.New("0-length response with status code: 200 and content type: application/json")}
	}
	if _, _, err := codec.Decode(body, nil, r); err != nil {
		return unreadable{err}
	}
	return nil
}

var errNoResponse = errors.New("webhook response was absent")

func checkV1(r *admissionv1.AdmissionReview, uid types.UID, mutating bool) (*answer, error) {
	p := r.Response
	want := admissionv1.SchemeGroupVersion.WithKind("AdmissionReview")
	switch {
	case p == nil:
		return nil, errNoResponse
	case p.UID != uid:
		return nil, fmt.Errorf("expected response.uid=%q, got %q", uid, p.UID)
	case r.GroupVersionKind() != want:
		return nil, fmt.Errorf("expected webhook response of %v, got %v", want.String(), r.GroupVersionKind().String())
	case !mutating && len(p.Patch) > 0:
		return nil, errors.New("validating webhook may not return response.patch")
	case !mutating && p.PatchType != nil:
		return nil, errors.New("validating webhook may not return response.patchType")
	case len(p.Patch) > 0 && p.PatchType == nil:
		return nil, errors.New("webhook returned response.patch but not response.patchType")
	case len(p.Patch) == 0 && p.PatchType != nil:
		return nil, errors.New("webhook returned response.patchType but not response.patch")
	case p.PatchType != nil && *p.PatchType == "":
		return nil, fmt.Errorf("webhook returned invalid response.patchType of %q", *p.PatchType)
	}
	out := &answer{allowed: p.Allowed, result: p.Result, patch: p.Patch, annotations: p.AuditAnnotations, warnings: p.Warnings}
	if p.PatchType != nil {
		out.patchType = *p.PatchType
	}
	return out, nil
}

// checkV1beta1 is lenient where that version has always been.
func checkV1beta1(r *admissionv1beta1.AdmissionReview, mutating bool) (*answer, error) {
	p := r.Response
	if p == nil {
		return nil, errNoResponse
	}
	out := &answer{allowed: p.Allowed, result: p.Result, annotations: p.AuditAnnotations, warnings: p.Warnings}
	if mutating && len(p.Patch) > 0 {
		out.patch, out.patchType = p.Patch, admissionv1.PatchTypeJSONPatch
	}
	return out, nil
}
