package aggregator

import (
	"encoding/json"
	"maps"
	"reflect"

	"pilothouse/backend/request"
	"pilothouse/backend/watchcache"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// targets are the group versions of other servers at one time. They are never
// changed.
type targets struct {
	byVersion map[schema.GroupVersion]*target
	byName    map[string]*target
}

// target is a group version of another server.
type target struct {
	name      string
	spec      apiregistrationv1.APIServiceSpec
	available bool
	remote    *remote
	handle    request.Handler
}

func (t *target) version() schema.GroupVersion {
	return schema.GroupVersion{Group: t.spec.Group, Version: t.spec.Version}
}

// record is what is kept of every APIService.
type record struct {
	managed string // the value of the label
	spec    apiregistrationv1.APIServiceSpec
	uid     types.UID
}

// Handler gives who answers the requests for a group version: nil when it is
// this server. It is endpoints' Config.Aggregated.
func (m *Manager) Handler(group, version string) request.Handler {
	if t := m.current.Load().byVersion[schema.GroupVersion{Group: group, Version: version}]; t != nil {
		return t.handle
	}
	return nil
}

// follow takes in a change of an APIService.
func (m *Manager) follow(current, previous *watchcache.Object) {
	if current == nil {
		m.drop(previous.Name)
		return
	}
	s := &APIService{}
	if err := json.Unmarshal(current.Raw, s); err != nil {
		klog.ErrorS(err, "APIService left out", "name", current.Name)
		m.drop(current.Name)
		return
	}
	m.mu.Lock()
	before, had := m.known[s.Name]
	m.known[s.Name] = record{managed: s.Labels[managedLabel], spec: s.Spec, uid: s.UID}
	m.mu.Unlock()
	same := had && reflect.DeepEqual(before.spec, s.Spec) && before.uid == s.UID
	if !same {
		m.wake()
	}
	old := m.current.Load().byName[s.Name]
	if s.Spec.Service == nil || s.Spec.Group == "" {
		if old != nil {
			m.replace(s.Name, nil)
		}
		if !same && (old != nil || !isAvailable(s)) {
			m.lookAgain(s.Name)
		}
		return
	}
	m.replace(s.Name, m.newTarget(s, old))
	if !same {
		m.lookAgain(s.Name)
	}
}

// drop takes in the end of an APIService.
func (m *Manager) drop(name string) {
	m.mu.Lock()
	delete(m.known, name)
	m.mu.Unlock()
	if m.current.Load().byName[name] != nil {
		m.replace(name, nil)
		m.lookAgain(name)
	}
	m.wake()
}

func (m *Manager) newTarget(s *APIService, old *target) *target {
	t := &target{name: s.Name, spec: s.Spec, available: isAvailable(s)}
	if old != nil && sameServer(&old.spec, &s.Spec) {
		t.remote = old.remote
	} else {
		t.remote = m.newRemote(&s.Spec)
	}
	t.handle = m.handlerOf(t)
	return t
}

func sameServer(a, b *apiregistrationv1.APIServiceSpec) bool {
	return reflect.DeepEqual(a.Service, b.Service) && string(a.CABundle) == string(b.CABundle) && a.InsecureSkipTLSVerify == b.InsecureSkipTLSVerify
}

func isAvailable(s *APIService) bool {
	c := conditionOf(s)
	return c != nil && c.Status == apiregistrationv1.ConditionTrue
}

func conditionOf(s *APIService) *apiregistrationv1.APIServiceCondition {
	for i := range s.Status.Conditions {
		if s.Status.Conditions[i].Type == apiregistrationv1.Available {
			return &s.Status.Conditions[i]
		}
	}
	return nil
}

// replace puts a target in the place of the one before; nil takes it away.
func (m *Manager) replace(name string, t *target) {
	now := m.current.Load()
	next := &targets{byVersion: map[schema.GroupVersion]*target{}, byName: map[string]*target{}}
	maps.Copy(next.byVersion, now.byVersion)
	maps.Copy(next.byName, now.byName)
	old := now.byName[name]
	if old != nil {
		delete(next.byVersion, old.version())
		delete(next.byName, name)
	}
	if t != nil {
		next.byVersion[t.version()], next.byName[name] = t, t
	}
	m.current.Store(next)
	m.generation.Add(1)
	if old != nil && (t == nil || t.remote != old.remote) {
		old.remote.close()
	}
}

// followService takes in a change of a Service, or of what is behind it.
func (m *Manager) followService(current, previous *watchcache.Object) {
	o := current
	if o == nil {
		o = previous
	}
	m.serviceChanged(o.Namespace, o.Name)
}

func (m *Manager) followSlice(current, previous *watchcache.Object) {
	if len(m.current.Load().byName) == 0 {
		return
	}
	for _, o := range []*watchcache.Object{current, previous} {
		if o == nil {
			continue
		}
		var slice metav1.PartialObjectMetadata
		if json.Unmarshal(o.Raw, &slice) == nil {
			m.serviceChanged(o.Namespace, slice.Labels[discoveryv1.LabelServiceName])
		}
	}
}

func (m *Manager) serviceChanged(namespace, name string) {
	for _, t := range m.current.Load().byName {
		if s := t.spec.Service; s.Namespace == namespace && s.Name == name {
			t.remote.moved.Add(1)
			m.lookAgain(t.name)
		}
	}
}
