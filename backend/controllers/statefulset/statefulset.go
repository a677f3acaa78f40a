// Package statefulset keeps the numbered pods of StatefulSets, each with its own
// name and claims, in order. Read statefulset.go first, then pods.go (what a pod
// looks like), claims.go and status.go.
// https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
package statefulset

import (
	"context"
	"errors"
	"slices"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/controllers/pods"
	"pilothouse/backend/controllers/workload"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

var kind = workload.Kind{
	GroupVersionKind: appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
	Resource:         appsv1.SchemeGroupVersion.WithResource("statefulsets"),
}

// hashLabel is the one that a revision has its hash under; pods name the revision
// in theirs.
const hashLabel = "controller.kubernetes.io/hash"

type controller struct {
	*workload.Controller[*appsv1.StatefulSet]
	revisions *loop.View[*appsv1.ControllerRevision]
	claims    *loop.View[*corev1.PersistentVolumeClaim]
}

// New gives the loop statefulset-controller.
func New(d loop.Deps) func(context.Context) error {
	c := &controller{
		Controller: workload.New[*appsv1.StatefulSet](d, kind, "statefulset-controller"),
		revisions:  loop.NewView[*appsv1.ControllerRevision](d, appsv1.GroupName, "controllerrevisions"),
		claims:     loop.NewView[*corev1.PersistentVolumeClaim](d, "", "persistentvolumeclaims"),
	}
	return func(ctx context.Context) error {
		return c.Run(ctx, c.sync, c.FollowPods(selectorOf), workload.FollowOwned(c.Controller, c.revisions, nil),
			workload.FollowOwned(c.Controller, c.claims, nil))
	}
}

func selectorOf(s *appsv1.StatefulSet) (labels.Selector, error) {
	return metav1.LabelSelectorAsSelector(s.Spec.Selector)
}

// set is one StatefulSet while it is worked on.
type set struct {
	*controller
	*appsv1.StatefulSet
	current, update *appsv1.ControllerRevision
	pods            map[int]*corev1.Pod // by ordinal
	wait            time.Duration
}

func (c *controller) sync(ctx context.Context, read *appsv1.StatefulSet) error {
	selector, err := selectorOf(read)
	if err != nil || selector.Empty() {
		return nil //nolint:nilerr // it would select everything or nothing: trying again does not help
	}
	s := &set{controller: c, StatefulSet: read.DeepCopy()}
	if s.DeletionTimestamp != nil {
		return nil
	}
	history := &workload.History{
		Deps: c.Deps, View: c.revisions, Owner: s.StatefulSet, Kind: kind, Selector: s.Spec.Selector, Template: &s.Spec.Template,
		Label: hashLabel, Collisions: s.Status.CollisionCount,
	}
	update, all, err := history.Find(ctx)
	if err != nil {
		return err
	}
	s.update, s.current, s.Status.CollisionCount = update, update, history.Collisions
	for _, r := range all {
		if r.Name == s.Status.CurrentRevision {
			s.current = r
		}
	}
	if err := s.look(ctx, selector); err != nil {
		return err
	}
	err = s.step(ctx)
	if e := s.look(ctx, selector); e != nil {
		return errors.Join(err, e)
	}
	if err == nil {
		err = history.Keep(ctx, all, int(ptr.Deref(s.Spec.RevisionHistoryLimit, 10)), func(r *appsv1.ControllerRevision) bool {
			return r.UID == s.current.UID || r.UID == s.update.UID || s.runs(r.Name)
		})
	}
	return errors.Join(err, s.report(ctx, read))
}

// look finds the pods by their numbers.
func (s *set) look(ctx context.Context, selector labels.Selector) error {
	list := workload.Without(s.Mine(s.StatefulSet, selector), func(p *corev1.Pod) bool { _, ok := ordinalOf(s.StatefulSet, p); return !ok })
	list, err := workload.Claim(ctx, s.Deps, workload.Pods, s.StatefulSet, kind.GroupVersionKind, selector, list)
	if err != nil {
		return err
	}
	s.pods = map[int]*corev1.Pod{}
	for _, p := range list {
		if i, ok := ordinalOf(s.StatefulSet, p); ok {
			s.pods[i] = p
		}
	}
	return nil
}

func (s *set) runs(revision string) bool {
	for _, p := range s.pods {
		if revisionOf(p) == revision {
			return true
		}
	}
	return false
}

// first and end are the range of the ordinals.
func (s *set) first() int {
	if s.Spec.Ordinals == nil {
		return 0
	}
	return int(s.Spec.Ordinals.Start)
}

func (s *set) end() int { return s.first() + int(*s.Spec.Replicas) }

// parallel tells whether pods need not wait for each other when they are made and
// deleted.
func (s *set) parallel() bool { return s.Spec.PodManagementPolicy == appsv1.ParallelPodManagement }

// step makes missing pods, deletes those that are too many and brings pods up to
// date, in this order and each only when nothing is left to do before it.
func (s *set) step(ctx context.Context) error {
	if done, err := s.fill(ctx); err != nil || !done {
		return err
	}
	if done, err := s.shrink(ctx); err != nil || !done {
		return err
	}
	return s.roll(ctx)
}

// fill makes the pods of the range, each after the one before it is available.
func (s *set) fill(ctx context.Context) (done bool, err error) {
	for i := s.first(); i < s.end(); i++ {
		p := s.pods[i]
		if p != nil && pods.Over(p) && p.DeletionTimestamp == nil {
			s.Events.Event(s.StatefulSet, corev1.EventTypeWarning, "RecreatingFailedPod", "StatefulSet %s/%s is recreating failed Pod %s", s.Namespace, s.Name, p.Name)
			if err := s.delete(ctx, p); err != nil {
				return false, err
			}
			if _, there := s.Pods.Get(p.Namespace, p.Name); there {
				if !s.parallel() {
					return false, nil
				}
				continue
			}
			p = nil
		}
		switch {
		case p == nil:
			if err := s.create(ctx, i); err != nil {
				return false, err
			}
			if !s.parallel() {
				return false, nil
			}
		case s.parallel():
		case p.DeletionTimestamp != nil || !s.available(p):
			return false, nil
		}
		if p != nil && p.DeletionTimestamp == nil {
			if err := s.ensureClaims(ctx, i, p, false); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// shrink deletes the pods outside the range, from the last one on, each when all
// others are well and the one after it is gone.
func (s *set) shrink(ctx context.Context) (done bool, err error) {
	var outside []int
	var unwell *corev1.Pod
	ordinals := make([]int, 0, len(s.pods))
	for i := range s.pods {
		ordinals = append(ordinals, i)
	}
	slices.Sort(ordinals)
	for _, i := range ordinals {
		if i < s.first() || i >= s.end() {
			outside = append(outside, i)
		}
		if p := s.pods[i]; unwell == nil && !runsWell(p) {
			unwell = p
		}
	}
	for _, i := range slices.Backward(outside) {
		p := s.pods[i]
		if p.DeletionTimestamp != nil {
			if !s.parallel() {
				return false, nil
			}
			continue
		}
		if !s.parallel() && !runsWell(p) && p != unwell {
			return false, nil
		}
		if err := s.ensureClaims(ctx, i, p, true); err != nil {
			return false, err
		}
		if err := s.delete(ctx, p); err != nil {
			return false, err
		}
		if !s.parallel() {
			return false, nil
		}
	}
	return true, nil
}

// roll deletes one pod of an old revision, from the last one down to the
// partition, when those after it are well.
func (s *set) roll(ctx context.Context) error {
	if s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		return nil
	}
	for i := s.end() - 1; i >= max(s.first(), s.partition()); i-- {
		p := s.pods[i]
		switch {
		case p == nil:
			return nil
		case revisionOf(p) != s.update.Name && p.DeletionTimestamp == nil:
			return s.delete(ctx, p)
		case p.DeletionTimestamp != nil || !s.available(p):
			return nil
		}
	}
	return nil
}

// partition is the ordinal from which on pods get the new revision.
func (s *set) partition() int {
	if u := s.Spec.UpdateStrategy.RollingUpdate; u != nil {
		return s.first() + int(ptr.Deref(u.Partition, 0))
	}
	return s.first()
}

// runsWell tells whether a pod runs, is ready and stays.
func runsWell(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodRunning && pods.Ready(p) && p.DeletionTimestamp == nil
}

// available tells whether a pod runs and has been ready long enough.
func (s *set) available(p *corev1.Pod) bool {
	ok, left := pods.Available(p, time.Duration(s.Spec.MinReadySeconds)*time.Second, s.Clock())
	if left > 0 && (s.wait == 0 || left < s.wait) {
		s.wait = left
	}
	return ok && p.Status.Phase == corev1.PodRunning
}

func (s *set) create(ctx context.Context, ordinal int) error {
	p, err := s.newPod(ordinal)
	if err != nil {
		return err
	}
	if err := s.ensureClaims(ctx, ordinal, nil, false); err != nil {
		s.Events.Event(s.StatefulSet, corev1.EventTypeWarning, "FailedCreate", "create Claim for Pod %s in StatefulSet %s failed error: %v", p.Name, s.Name, err)
		return err
	}
	switch err := s.Client.Create(ctx, workload.Pods, s.Namespace, p); {
	case apierrors.IsAlreadyExists(err):
		return err
	case err != nil:
		s.Events.Event(s.StatefulSet, corev1.EventTypeWarning, "FailedCreate", "create Pod %s in StatefulSet %s failed error: %v", p.Name, s.Name, err)
		return err
	}
	s.Pods.CatchUp(ctx, p)
	s.Events.Event(s.StatefulSet, corev1.EventTypeNormal, "SuccessfulCreate", "create Pod %s in StatefulSet %s successful", p.Name, s.Name)
	return nil
}

func (s *set) delete(ctx context.Context, p *corev1.Pod) error {
	if err := workload.Delete(ctx, s.Deps, workload.Pods, p); err != nil {
		s.Events.Event(s.StatefulSet, corev1.EventTypeWarning, "FailedDelete", "delete Pod %s in StatefulSet %s failed error: %v", p.Name, s.Name, err)
		return err
	}
	s.Events.Event(s.StatefulSet, corev1.EventTypeNormal, "SuccessfulDelete", "delete Pod %s in StatefulSet %s successful", p.Name, s.Name)
	return nil
}
