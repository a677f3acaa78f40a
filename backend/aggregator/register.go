package aggregator

import (
	"context"
	"reflect"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// managedLabel tells the APIServices that the server keeps: "true" for those of
// custom resources, which come and go, "onstart" for those of its own
// resources, which are written at the start when they are missing.
const (
	managedLabel   = "kube-aggregator.kubernetes.io/automanaged"
	managed        = "true"
	managedOnStart = "onstart"
)

// The priorities of groups that CustomResourceDefinitions define.
const (
	customGroupPriority   = 1000
	customVersionPriority = 100
)

// keepRegistered keeps an APIService for every group version of custom resources
// until ctx ends.
func (m *Manager) keepRegistered(ctx context.Context) {
	start := true
	for ctx.Err() == nil {
		changed := m.o.Registry.Changed()
		var retry <-chan time.Time
		if err := m.register(ctx, start); err != nil {
			klog.V(2).InfoS("APIServices are registered again", "err", err)
			retry = time.After(200 * time.Millisecond)
		} else if start {
			start = false
			close(m.registered)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-m.dirty:
		case <-retry:
		}
	}
}

// register writes what is missing or different and deletes what is over. At the
// start that includes the APIServices of own resources that are not served any
// more.
func (m *Manager) register(ctx context.Context, start bool) error {
	custom, own := m.served()
	m.mu.Lock()
	var missing, wrong []string
	for name, spec := range custom {
		switch r, ok := m.known[name]; {
		case !ok:
			missing = append(missing, name)
		case r.managed == managed && !reflect.DeepEqual(r.spec, spec):
			wrong = append(wrong, name)
		}
	}
	spurious := map[string]record{}
	for name, r := range m.known {
		if _, want := custom[name]; !want && (r.managed == managed || start && r.managed == managedOnStart && !own[name]) {
			spurious[name] = r
		}
	}
	m.mu.Unlock()
	for _, name := range missing {
		if err := m.create(ctx, name, custom[name]); err != nil {
			return err
		}
	}
	for _, name := range wrong {
		if err := m.correct(ctx, name, custom[name]); err != nil {
			return err
		}
	}
	for name, r := range spurious {
		options := &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &r.uid}}
		if err := m.o.Client.Delete(ctx, apiServices, "", name, options); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// served gives the APIServices that the group versions of custom resources are
// to have, and the names of those of own resources.
func (m *Manager) served() (custom map[string]apiregistrationv1.APIServiceSpec, own map[string]bool) {
	custom, own = map[string]apiregistrationv1.APIServiceSpec{}, map[string]bool{}
	for _, g := range m.o.Registry.Table().Groups() {
		for _, v := range g.Versions {
			name := v.Name + "." + g.Name
			custom[name] = apiregistrationv1.APIServiceSpec{
				Group: g.Name, Version: v.Name, GroupPriorityMinimum: customGroupPriority, VersionPriority: customVersionPriority,
			}
			for _, e := range v.Entries {
				if !e.Resource.Dynamic {
					own[name] = true
					delete(custom, name)
					break
				}
			}
		}
	}
	return custom, own
}

func (m *Manager) create(ctx context.Context, name string, spec apiregistrationv1.APIServiceSpec) error {
	s := &APIService{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{managedLabel: managed}}, Spec: spec}
	if err := m.o.Client.Create(ctx, apiServices, "", s); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// correct takes back what somebody did to an APIService of the server's.
func (m *Manager) correct(ctx context.Context, name string, spec apiregistrationv1.APIServiceSpec) error {
	s := &APIService{}
	err := m.o.Client.Get(ctx, apiServices, "", name, s)
	if err == nil && s.Labels[managedLabel] == managed {
		s.Spec = spec
		err = m.o.Client.Update(ctx, apiServices, s)
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
