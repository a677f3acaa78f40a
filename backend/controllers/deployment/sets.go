package deployment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pilothouse/backend/controllers/workload"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The annotations with which a Deployment and its ReplicaSets know of each other.
const (
	revisionKey  = "deployment.kubernetes.io/revision"
	historyKey   = "deployment.kubernetes.io/revision-history"
	desiredKey   = "deployment.kubernetes.io/desired-replicas"
	mostKey      = "deployment.kubernetes.io/max-replicas"
	rollBackKey  = appsv1.DeprecatedRollbackTo
	hashLabel    = appsv1.DefaultDeploymentUniqueLabelKey
	historyLimit = 2000
)

// ownKeys are annotations that a ReplicaSet does not get from the Deployment.
var ownKeys = []string{corev1.LastAppliedConfigAnnotation, revisionKey, historyKey, desiredKey, mostKey, rollBackKey}

func revisionOf(annotations map[string]string) int64 {
	n, err := strconv.ParseInt(annotations[revisionKey], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (r *rollout) sort() {
	slices.SortFunc(r.all, func(a, b *appsv1.ReplicaSet) int {
		if n := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); n != 0 {
			return n
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// sameTemplate compares without the label that only templates of ReplicaSets have.
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	delete(a.Labels, hashLabel)
	delete(b.Labels, hashLabel)
	return equality.Semantic.DeepEqual(a, b)
}

// find tells the new ReplicaSet, the oldest one with the template, from the others.
func (r *rollout) find() {
	r.now, r.old = nil, nil
	for _, rs := range r.all {
		if r.now == nil && sameTemplate(&rs.Spec.Template, &r.Spec.Template) {
			r.now = rs
		} else {
			r.old = append(r.old, rs)
		}
	}
}

// prepare finds the ReplicaSets, gives the new one the newest revision and makes
// it if it is missing and wanted.
func (r *rollout) prepare(ctx context.Context, make bool) error {
	r.find()
	revision := int64(1)
	for _, rs := range r.old {
		revision = max(revision, revisionOf(rs.Annotations)+1)
	}
	if r.now == nil {
		if !make {
			return nil
		}
		if err := r.create(ctx, revision); err != nil {
			return err
		}
	}
	next := r.now.DeepCopy()
	changed := r.inherit(next, revision)
	if next.Spec.MinReadySeconds != r.Spec.MinReadySeconds {
		next.Spec.MinReadySeconds, changed = r.Spec.MinReadySeconds, true
	}
	if changed {
		if err := r.Client.Update(ctx, replicaSets, next); err != nil {
			return err
		}
		r.sets.CatchUp(ctx, next)
		r.replace(next)
		r.now = next
	}
	return r.annotate(ctx, next.Annotations[revisionKey])
}

// annotate says in the Deployment which revision it has.
func (r *rollout) annotate(ctx context.Context, revision string) error {
	r.foundProgress(r.now.Name)
	if r.Annotations[revisionKey] == revision {
		return nil
	}
	status := r.Status
	if r.Annotations == nil {
		r.Annotations = map[string]string{}
	}
	r.Annotations[revisionKey] = revision
	if err := r.Client.Update(ctx, kind.Resource, r.Deployment); err != nil {
		return err
	}
	r.Status = status // an update answers with the status that is stored
	return nil
}

// inherit gives a ReplicaSet the Deployment's annotations and a revision: one that
// is newer than its own, while the one that it had goes into its history.
func (r *rollout) inherit(rs *appsv1.ReplicaSet, revision int64) (changed bool) {
	if rs.Annotations == nil {
		rs.Annotations = map[string]string{}
	}
	set := func(k, v string) {
		if have, ok := rs.Annotations[k]; !ok || have != v {
			rs.Annotations[k], changed = v, true
		}
	}
	for k, v := range r.Annotations {
		if !slices.Contains(ownKeys, k) {
			set(k, v)
		}
	}
	if had := rs.Annotations[revisionKey]; revisionOf(rs.Annotations) < revision {
		set(revisionKey, strconv.FormatInt(revision, 10))
		if had != "" {
			history := had
			if before := rs.Annotations[historyKey]; before != "" {
				history = before + "," + had
			}
			for len(history) > historyLimit {
				_, history, _ = strings.Cut(history, ",")
			}
			set(historyKey, history)
		}
	}
	return changed
}

// setSizes says in a ReplicaSet which size the Deployment has and how large it may
// become, from which a later change of the size is told and shared out.
func (r *rollout) setSizes(rs *appsv1.ReplicaSet) (changed bool) {
	if rs.Annotations == nil {
		rs.Annotations = map[string]string{}
	}
	for k, v := range map[string]string{desiredKey: fmt.Sprint(*r.Spec.Replicas), mostKey: fmt.Sprint(*r.Spec.Replicas + r.maxSurge())} {
		if rs.Annotations[k] != v {
			rs.Annotations[k], changed = v, true
		}
	}
	return changed
}

// create makes the ReplicaSet of the template.
func (r *rollout) create(ctx context.Context, revision int64) error {
	hash := workload.Hash(&r.Spec.Template, r.Status.CollisionCount)
	template := r.Spec.Template.DeepCopy()
	template.Labels = maps.Clone(template.Labels)
	if template.Labels == nil {
		template.Labels = map[string]string{}
	}
	template.Labels[hashLabel] = hash
	selector := r.Spec.Selector.DeepCopy()
	if selector.MatchLabels == nil {
		selector.MatchLabels = map[string]string{}
	}
	selector.MatchLabels[hashLabel] = hash
	size, err := r.sizeOfNew()
	if err != nil {
		return err
	}
	rs := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.Namespace, Name: r.Name + "-" + hash, Labels: template.Labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(r.Deployment, kind.GroupVersionKind)},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: &size, MinReadySeconds: r.Spec.MinReadySeconds, Selector: selector, Template: *template},
	}
	r.inherit(rs, revision)
	r.setSizes(rs)
	switch err := r.Client.Create(ctx, replicaSets, r.Namespace, rs); {
	case apierrors.IsAlreadyExists(err):
		return r.collision(ctx, rs)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return err
	case err != nil:
		return r.cannotCreate(ctx, rs.Name, err)
	}
	r.sets.CatchUp(ctx, rs)
	r.madeProgress("NewReplicaSetReason", fmt.Sprintf("Created new replica set %q", rs.Name))
	if size > 0 {
		r.Events.Event(r.Deployment, corev1.EventTypeNormal, "ScalingReplicaSet", "Scaled up replica set %s from 0 to %d", rs.Name, size)
	}
	r.all, r.now = append(r.all, rs), rs
	return nil
}

// collision counts that the name of the new ReplicaSet belongs to another template,
// which gives it another name.
func (r *rollout) collision(ctx context.Context, rs *appsv1.ReplicaSet) error {
	var have appsv1.ReplicaSet
	if err := r.Client.Get(ctx, replicaSets, rs.Namespace, rs.Name, &have); err != nil {
		return err
	}
	if ref := metav1.GetControllerOf(&have); ref != nil && ref.UID == r.UID && sameTemplate(&have.Spec.Template, &r.Spec.Template) {
		return errors.New("the new ReplicaSet is there already")
	}
	count := int32(1)
	if r.Status.CollisionCount != nil {
		count = *r.Status.CollisionCount + 1
	}
	r.Status.CollisionCount = &count
	if err := r.Client.UpdateSubresource(ctx, kind.Resource, "status", r.Deployment); err != nil {
		return err
	}
	return fmt.Errorf("the name %s is taken", rs.Name)
}

// cannotCreate says why there is no new ReplicaSet.
func (r *rollout) cannotCreate(ctx context.Context, name string, err error) error {
	message := fmt.Sprintf("Failed to create new replica set %q: %v", name, err)
	if r.hasDeadline() {
		r.setCondition(appsv1.DeploymentProgressing, corev1.ConditionFalse, "ReplicaSetCreateError", message)
		if e := r.Client.UpdateSubresource(ctx, kind.Resource, "status", r.Deployment); e != nil {
			return e
		}
	}
	r.Events.Event(r.Deployment, corev1.EventTypeWarning, "ReplicaSetCreateError", "%s", message)
	return err
}
