package delegate

import (
	"context"
	"reflect"
	"time"

	"pilothouse/backend/informer"
	"pilothouse/backend/metrics"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

var apiServices = apiregistrationv1.SchemeGroupVersion.WithResource("apiservices")

// delegateLabel of an APIService is the Service of the delegate that keeps it.
const delegateLabel = "pilothouse/delegate"

func (d *Delegate) label() string { return d.o.Service.Namespace + "." + d.o.Service.Name }

// The priorities of custom resources, as the main server gives them to its own.
const (
	groupPriority   = 1000
	versionPriority = 100
)

// keepRegistered keeps an APIService on the main server for every group version
// that is served here, until ctx ends.
func (d *Delegate) keepRegistered(ctx context.Context) {
	there := informer.New(d.o.Main, apiServices, "", func() *apiregistrationv1.APIService { return &apiregistrationv1.APIService{} })
	dirty := make(chan struct{}, 1)
	there.OnChange(func(_, _ *apiregistrationv1.APIService) {
		select {
		case dirty <- struct{}{}:
		default:
		}
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		metrics.Kept(ctx, "delegate", func() { there.Run(ctx) })() //nolint:errcheck // it ends with the context
	}()
	defer func() { <-ended }()
	select {
	case <-ctx.Done():
		return
	case <-there.Synced():
	}
	for ctx.Err() == nil {
		changed := d.o.Registry.Changed()
		var retry <-chan time.Time
		if err := d.register(ctx, there.List()); err != nil {
			klog.V(2).InfoS("APIServices are registered again", "err", err)
			retry = time.After(200 * time.Millisecond)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-dirty:
		case <-retry:
		}
	}
}

func (d *Delegate) register(ctx context.Context, there []*apiregistrationv1.APIService) error {
	want := d.served()
	for _, s := range there {
		spec, mine := want[s.Name], s.Labels[delegateLabel] == d.label()
		wanted := spec.Service != nil
		delete(want, s.Name)
		switch {
		case !mine || wanted && reflect.DeepEqual(s.Spec, spec):
		case wanted:
			next := s.DeepCopy()
			next.Spec = spec
			if err := d.o.Main.Update(ctx, apiServices, next); err != nil {
				return err
			}
		default:
			if err := ignoreNotFound(d.o.Main.Delete(ctx, apiServices, "", s.Name, &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &s.UID}})); err != nil {
				return err
			}
		}
	}
	for name, spec := range want {
		s := &apiregistrationv1.APIService{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{delegateLabel: d.label()}}, Spec: spec}
		if err := d.o.Main.Create(ctx, apiServices, "", s); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

// served gives the APIServices that this server is to have.
func (d *Delegate) served() map[string]apiregistrationv1.APIServiceSpec {
	out := map[string]apiregistrationv1.APIServiceSpec{}
	for _, g := range d.o.Registry.Table().Groups() {
		if !d.o.Serves(g.Name) {
			continue
		}
		for _, v := range g.Versions {
			for _, e := range v.Entries {
				if e.Resource.Dynamic {
					service := d.o.Service
					out[v.Name+"."+g.Name] = apiregistrationv1.APIServiceSpec{Group: g.Name, Version: v.Name, Service: &service, CABundle: d.o.CABundle,
						GroupPriorityMinimum: groupPriority, VersionPriority: versionPriority}
					break
				}
			}
		}
	}
	return out
}
