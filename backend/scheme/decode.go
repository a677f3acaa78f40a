package scheme

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	sigsjson "sigs.k8s.io/json"
)

// Validation says what happens to fields that an object's type doesn't have and
// to those that are there twice; the words are those of the query parameter
// fieldValidation.
type Validation string

// The three ways.
const (
	Ignore Validation = "Ignore"
	Warn   Validation = "Warn"
	Strict Validation = "Strict"
)

var (
	// fastOptions read as encoding/json does, but match names by case and
	// refuse unknown and duplicate ones.
	fastOptions = jsonv2.JoinOptions(
		jsonv1.DefaultOptionsV1(),
		jsonv2.MatchCaseInsensitiveNames(false),
		jsonv2.RejectUnknownMembers(true),
		jsontext.AllowDuplicateNames(false),
	)

	protobufSerializer = protobuf.NewSerializer(Scheme, Scheme)

	serializers = map[bool]map[bool]*kjson.Serializer{ // by yaml, strict
		false: {false: newSerializer(false, false), true: newSerializer(false, true)},
		true:  {false: newSerializer(true, false), true: newSerializer(true, true)},
	}
)

func newSerializer(yaml, strict bool) *kjson.Serializer {
	return kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, Scheme, Scheme, kjson.SerializerOptions{Yaml: yaml, Strict: strict})
}

// Decode reads a request's body into an empty object of the kind gvk, a typed
// one or *unstructured.Unstructured. A typed object's kind and apiVersion may be
// left out of the body. strict lists the unknown and duplicate fields for Warn;
// with Strict they are an error. Errors are Status errors (400) in the words of
// Kubernetes; into is not to be used then.
func Decode(body []byte, mediaType string, into runtime.Object, gvk schema.GroupVersionKind, v Validation) (strict []error, err error) {
	if u, ok := into.(*unstructured.Unstructured); ok {
		return decodeUnstructured(body, mediaType, u, gvk, v)
	}
	if mediaType == MediaJSON && decodeFast(body, into, gvk) {
		return nil, nil
	}
	obj, actual, err := decodeAny(body, mediaType, gvk, v)
	if strictErr, ok := runtime.AsStrictDecodingError(err); ok && obj != nil && v == Warn {
		strict, err = strictErr.Errors(), nil
	}
	if err != nil {
		return nil, decodeError(err, body, actual, gvk)
	}
	if reflect.TypeOf(obj) != reflect.TypeOf(into) {
		return nil, wrongType(obj, actual, gvk)
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(obj).Elem())
	into.GetObjectKind().SetGroupVersionKind(gvk)
	return strict, nil
}

// decodeFast reads what is right in every way: a JSON object of the kind asked
// for with no unknown and no duplicate field. What it refuses is read again by
// decodeAny, which knows all faults. into is left empty then.
func decodeFast(body []byte, into runtime.Object, gvk schema.GroupVersionKind) bool {
	if err := jsonv2.Unmarshal(body, into, fastOptions); err == nil {
		kind := into.GetObjectKind()
		apiVersion, name := kind.GroupVersionKind().ToAPIVersionAndKind()
		if (name == "" || name == gvk.Kind) && (apiVersion == "" || apiVersion == gvk.GroupVersion().String()) {
			kind.SetGroupVersionKind(gvk)
			return true
		}
	}
	reflect.ValueOf(into).Elem().SetZero()
	return false
}

// decodeAny reads an object of whatever built-in kind the body names; actual is
// nil when that cannot be told.
func decodeAny(body []byte, mediaType string, gvk schema.GroupVersionKind, v Validation) (obj runtime.Object, actual *schema.GroupVersionKind, err error) {
	if mediaType == MediaProtobuf {
		if err := checkDepth(body, gvk); err != nil {
			return nil, nil, err
		}
		return protobufSerializer.Decode(body, &gvk, nil)
	}
	return serializers[mediaType == MediaYAML][v == Warn || v == Strict].Decode(body, &gvk, nil)
}

// wrongType is the error for an object that is not of the kind asked for.
func wrongType(obj runtime.Object, actual *schema.GroupVersionKind, want schema.GroupVersionKind) error {
	if actual.Kind == want.Kind && sharesInternalType(actual.Group, want.Group) {
		return apierrors.NewBadRequest(fmt.Sprintf("the API version in the data (%s) does not match the expected API version (%s)",
			actual.GroupVersion(), want.GroupVersion()))
	}
	err := fmt.Errorf("converting (%s) to (%s.%s): unknown conversion", reflect.TypeOf(obj).Elem(), internalPackage(want), want.Kind)
	return decodeError(err, nil, actual, want)
}

func sharesInternalType(a, b string) bool {
	event := func(g string) bool { return g == "" || g == "events.k8s.io" }
	return a == b || event(a) && event(b)
}

// internalPackage is the package of Kubernetes' internal type of a kind, as
// error messages name it: "core", "apps", "rbac".
func internalPackage(gvk schema.GroupVersionKind) string {
	if sharesInternalType(gvk.Group, "") {
		return "core"
	}
	group, _, _ := strings.Cut(gvk.Group, ".")
	return group
}

// decodeUnstructured reads a custom resource. Unlike a built-in one it has to
// name its kind and apiVersion.
func decodeUnstructured(body []byte, mediaType string, into *unstructured.Unstructured, gvk schema.GroupVersionKind, v Validation) (strict []error, err error) {
	if mediaType == MediaJSON {
		m := map[string]any{}
		strictErrs, err := sigsjson.UnmarshalStrict(body, &m)
		kind, isString := m["kind"].(string)
		_, versioned := m["apiVersion"].(string)
		if err == nil && isString && kind != "" && versioned && (v != Strict || len(strictErrs) == 0) {
			if v != Warn {
				strictErrs = nil
			}
			into.Object = m
			return strictErrs, checkAPIVersion(into.GroupVersionKind(), gvk)
		}
	}
	serializer := serializers[mediaType == MediaYAML][v == Warn || v == Strict]
	into.Object = nil
	_, actual, err := serializer.Decode(body, &gvk, into)
	if strictErr, ok := runtime.AsStrictDecodingError(err); ok && into.Object != nil && v == Warn {
		strict, err = strictErr.Errors(), nil
	}
	if err != nil {
		return nil, decodeError(err, body, actual, gvk)
	}
	return strict, checkAPIVersion(into.GroupVersionKind(), gvk)
}

func checkAPIVersion(actual, want schema.GroupVersionKind) error {
	if actual.GroupVersion() == want.GroupVersion() {
		return nil
	}
	return apierrors.NewBadRequest(fmt.Sprintf("the API version in the data (%s) does not match the expected API version (%s)",
		actual.GroupVersion(), want.GroupVersion()))
}

// serverScheme is the name of Kubernetes' scheme as its messages have it.
const serverScheme = "pkg/api/legacyscheme/scheme.go:30"

// decodeError puts an error of the decoders into a 400 Status.
func decodeError(err error, body []byte, actual *schema.GroupVersionKind, want schema.GroupVersionKind) error {
	if actual != nil && runtime.IsNotRegisteredError(err) {
		err = runtime.NewNotRegisteredErrForKind(serverScheme, *actual)
	}
	text := fmt.Sprintf("the object provided is unrecognized (must be of type %s): %v (%s)", want.Kind, err, summary(body, 30))
	if actual != nil && actual.Kind != "" {
		text = fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", actual.Kind, actual.Version, want.Kind, err)
	}
	return &unreadable{apierrors.NewBadRequest(text), err}
}

// unreadable is a 400 Status that knows what the decoder said.
type unreadable struct {
	*apierrors.StatusError
	cause error
}

func (u *unreadable) Unwrap() []error { return []error{u.StatusError, u.cause} }

// Cause is what the decoder itself said where err is that a body cannot be
// read; otherwise it is err.
func Cause(err error) error {
	var u *unreadable
	if errors.As(err, &u) {
		return u.cause
	}
	return err
}

// summary shows the start of a body: as text when it looks like JSON, in hex
// otherwise.
func summary(body []byte, n int) string {
	switch {
	case len(body) == 0:
		return "<empty>"
	case body[0] == '{':
		if len(body) > n {
			return string(body[:n]) + " ..."
		}
		return string(body)
	case len(body) > n:
		return hex.EncodeToString(body[:n]) + " ..."
	}
	return hex.EncodeToString(body)
}

// DecodeStored reads an object that this server wrote: JSON of a known kind,
// without any checks of what a client could get wrong.
func DecodeStored(raw []byte, into Object) error {
	if u, ok := into.(*unstructured.Unstructured); ok {
		m := map[string]any{}
		if err := sigsjson.UnmarshalCaseSensitivePreserveInts(raw, &m); err != nil {
			return fmt.Errorf("decode stored object: %w", err)
		}
		u.Object = m
		return nil
	}
	if err := jsonv2.Unmarshal(bytes.TrimSpace(raw), into, storedOptions); err != nil {
		return fmt.Errorf("decode stored object: %w", err)
	}
	return nil
}

var storedOptions = jsonv2.JoinOptions(
	jsonv1.DefaultOptionsV1(),
	jsonv2.MatchCaseInsensitiveNames(false),
	jsontext.AllowDuplicateNames(true),
)
