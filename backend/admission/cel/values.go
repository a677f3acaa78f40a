package cel

import (
	"pilothouse/backend/admission"
	"pilothouse/backend/admission/match"

	"github.com/google/cel-go/common/types/ref"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/library"
)

// Values are what all expressions about one write see, in the version that a
// rule matched. Each value is made when an expression first asks for it. Values
// are for one goroutine.
type Values struct {
	// Object and Old are the objects in the matched version; nil for none.
	Object, Old runtime.Object

	write     *admission.Attributes
	target    *match.Target
	authorize authorizer.Authorizer

	object, old, request, ownRequest, options lazyValue
	authorizer, requestAuthorizer             ref.Val
}

// lazyValue is a value of plain JSON types, made once.
type lazyValue struct {
	made  bool
	value any
	err   error
}

func (l *lazyValue) get(f func() (any, error)) (any, error) {
	if !l.made {
		l.value, l.err = f()
		l.made = true
	}
	return l.value, l.err
}

// NewValues gives the values of a write whose object is obj at this moment. a
// may be nil: then there is no authorizer.
func NewValues(w *admission.Attributes, obj runtime.Object, target *match.Target, a *Authorizer) (*Values, error) {
	v := &Values{write: w, target: target}
	if a != nil {
		v.authorize = a
	}
	var err error
	if v.Object, err = target.View(obj); err != nil {
		return nil, err
	}
	if v.Old, err = target.View(w.Old); err != nil {
		return nil, err
	}
	return v, nil
}

// Target is what the rules matched.
func (v *Values) Target() *match.Target { return v.target }

// SetObject puts another object, in the matched version, in the place of Object.
func (v *Values) SetObject(obj runtime.Object) {
	v.Object, v.object = obj, lazyValue{}
}

// ToPlain gives an object as plain JSON values; they may share memory with it.
func ToPlain(obj runtime.Object) (any, error) {
	if obj == nil {
		return nil, nil
	}
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return u.Object, nil
	}
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// shown is how expressions see an object: built-in ones field by field.
func shown(obj runtime.Object) (any, error) {
	if obj == nil {
		return nil, nil
	}
	if lazy, ok := lazyObject(obj); ok {
		return lazy, nil
	}
	return ToPlain(obj)
}

func (v *Values) objectValue() (any, error) {
	return v.object.get(func() (any, error) { return shown(v.Object) })
}

func (v *Values) oldValue() (any, error) {
	return v.old.get(func() (any, error) { return shown(v.Old) })
}

// requestValue is the variable request. own tells that request.resource is the
// request's own, as in match conditions.
func (v *Values) requestValue(own bool) (any, error) {
	if own && v.target.Resource != v.write.Resource {
		return v.ownRequest.get(func() (any, error) { return v.makeRequest(v.write.Resource) })
	}
	return v.request.get(func() (any, error) { return v.makeRequest(v.target.Resource) })
}

// makeRequest gives the JSON of an AdmissionRequest without objects.
func (v *Values) makeRequest(resource schema.GroupVersionResource) (any, error) {
	w := v.write
	options, err := v.options.get(func() (any, error) { return ToPlain(match.Options(w)) })
	if err != nil {
		return nil, err
	}
	m := map[string]any{
		"uid":             "",
		"kind":            kindValue(v.target.Kind),
		"resource":        resourceValue(resource),
		"requestKind":     kindValue(w.Kind),
		"requestResource": resourceValue(w.Resource),
		"operation":       string(w.Operation),
		"userInfo":        userValue(w),
		"object":          nil,
		"oldObject":       nil,
		"dryRun":          w.DryRun,
		"options":         options,
	}
	for name, value := range map[string]string{
		"subResource": w.Subresource, "requestSubResource": w.Subresource, "name": w.Name, "namespace": w.Namespace,
	} {
		if value != "" {
			m[name] = value
		}
	}
	return m, nil
}

func kindValue(k schema.GroupVersionKind) map[string]any {
	return map[string]any{"group": k.Group, "version": k.Version, "kind": k.Kind}
}

func resourceValue(r schema.GroupVersionResource) map[string]any {
	return map[string]any{"group": r.Group, "version": r.Version, "resource": r.Resource}
}

func userValue(w *admission.Attributes) map[string]any {
	m := map[string]any{}
	u := w.User
	if u == nil {
		return m
	}
	if u.Name != "" {
		m["username"] = u.Name
	}
	if u.UID != "" {
		m["uid"] = u.UID
	}
	if len(u.Groups) > 0 {
		m["groups"] = anyList(u.Groups)
	}
	if len(u.Extra) > 0 {
		extra := make(map[string]any, len(u.Extra))
		for k, list := range u.Extra {
			extra[k] = anyList(list)
		}
		m["extra"] = extra
	}
	return m
}

func anyList(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// authorizers are the variables authorizer and authorizer.requestResource; nil
// without an authorizer.
func (v *Values) authorizers() (all, own ref.Val) {
	if v.authorize == nil {
		return nil, nil
	}
	if v.authorizer == nil {
		user := userInfo(v.write.User)
		v.authorizer = library.NewAuthorizerVal(user, v.authorize)
		v.requestAuthorizer = library.NewResourceAuthorizerVal(user, v.authorize, writeResource{v.write})
	}
	return v.authorizer, v.requestAuthorizer
}

// writeResource is what authorizer.requestResource is about.
type writeResource struct{ w *admission.Attributes }

func (r writeResource) GetName() string                          { return r.w.Name }
func (r writeResource) GetNamespace() string                     { return r.w.Namespace }
func (r writeResource) GetResource() schema.GroupVersionResource { return r.w.Resource }
func (r writeResource) GetSubresource() string                   { return r.w.Subresource }
