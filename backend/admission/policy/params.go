package policy

import (
	"errors"
	"fmt"
	"sync"

	"pilothouse/backend/admission/cel"
	"pilothouse/backend/registry"
	"pilothouse/backend/watchcache"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// params finds the parameters of policies: objects of any kind that is served.
// What was decoded is kept while it is the current state.
type params struct {
	registry *registry.Registry

	mu   sync.RWMutex
	kept map[paramKey]*param
}

type paramKey struct {
	version *registry.Version
	key     string
}

// param is one object of parameters; nil where a policy or a binding has none.
type param struct {
	objectName
	from *watchcache.Object
	// value is plain JSON and shared.
	value map[string]any
}

// maxParams bounds the objects that are kept.
const maxParams = 4096

func newParams(r *registry.Registry) *params {
	return &params{registry: r, kept: map[paramKey]*param{}}
}

// entry finds the resource of a policy's parameters.
func (p *params) entry(k *admissionregistrationv1.ParamKind) (*registry.Entry, error) {
	gvk, err := paramGVK(k)
	if err != nil {
		return nil, err
	}
	e, ok := p.registry.Table().ForKind(gvk)
	if !ok {
		return nil, fmt.Errorf("failed to find resource referenced by paramKind: '%v'", gvk)
	}
	return e, nil
}

// collect gives what a policy is evaluated with for a binding, once per element:
// nothing when there are no parameters and the binding does not mind.
func (p *params) collect(e *registry.Entry, ref *admissionregistrationv1.ParamRef, namespace string) ([]*param, error) {
	if e == nil || ref == nil {
		return []*param{nil}, nil
	}
	switch {
	case !e.Resource.Namespaced && ref.Namespace != "":
		return nil, errors.New("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
	case !e.Resource.Namespaced:
		namespace = ""
	case ref.Namespace != "":
		namespace = ref.Namespace
	case namespace == "":
		return nil, errors.New("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
	}
	found, err := p.find(e, ref, namespace)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 && ref.ParameterNotFoundAction != nil && *ref.ParameterNotFoundAction == admissionregistrationv1.DenyAction {
		return nil, errors.New("no params found for policy binding with `Deny` parameterNotFoundAction")
	}
	return found, nil
}

func (p *params) find(e *registry.Entry, ref *admissionregistrationv1.ParamRef, namespace string) ([]*param, error) {
	switch {
	case ref.Name != "" && ref.Selector != nil:
		return nil, errors.New("paramRef.name and paramRef.selector are mutually exclusive")
	case ref.Name != "":
		o := e.Store.Peek(namespace, ref.Name)
		if o == nil {
			return nil, nil
		}
		one, err := p.decode(e, o)
		if err != nil {
			return nil, err
		}
		return []*param{one}, nil
	case ref.Selector != nil:
		return p.selected(e, ref.Selector, namespace)
	}
	return nil, errors.New("one of name or selector must be provided")
}

func (p *params) selected(e *registry.Entry, s *metav1.LabelSelector, namespace string) (found []*param, err error) {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil, err
	}
	e.Store.Each(namespace, func(o *watchcache.Object) bool {
		if !selector.Matches(o.Labels) {
			return true
		}
		var one *param
		if one, err = p.decode(e, o); err != nil {
			return false
		}
		found = append(found, one)
		return true
	})
	return found, err
}

func (p *params) decode(e *registry.Entry, o *watchcache.Object) (*param, error) {
	k := paramKey{e.Version, o.Key}
	p.mu.RLock()
	known := p.kept[k]
	p.mu.RUnlock()
	if known != nil && known.from == o {
		return known, nil
	}
	obj, err := e.Store.Decode(o)
	if err != nil {
		return nil, err
	}
	if e.Version.FromHub != nil {
		if obj, err = e.Version.FromHub(obj); err != nil {
			return nil, err
		}
	}
	plain, err := cel.ToPlain(obj)
	if err != nil {
		return nil, err
	}
	value := map[string]any{}
	for name, v := range plain.(map[string]any) {
		value[name] = v
	}
	value["apiVersion"], value["kind"] = e.GVK().GroupVersion().String(), e.Resource.Kind
	one := &param{objectName: objectName{o.Namespace, o.Name}, from: o, value: value}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) >= maxParams {
		clear(p.kept)
	}
	p.kept[k] = one
	return one, nil
}

// plain is the variable params.
func (p *param) plain() any {
	if p == nil {
		return nil
	}
	return p.value
}
