package main

import (
	"context"
	"fmt"

	"pilothouse/e2e/controller-runtime/travel"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const finalizer = travel.Group + "/cancel"

// reconciler gives every Trip a ConfigMap, the ticket, and says so in its status.
type reconciler struct {
	client.Client
	events events.EventRecorder
	name   string
}

func (r *reconciler) setUp(m ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(m).For(&travel.Trip{}).Owns(&corev1.ConfigMap{}).Complete(r)
}

// Reconcile brings one Trip forward.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	trip := &travel.Trip{}
	if err := r.Get(ctx, req.NamespacedName, trip); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if trip.DeletionTimestamp != nil {
		r.events.Eventf(trip, nil, corev1.EventTypeNormal, "Cancelled", "Cancel", "Cancelled by %s", r.name)
		controllerutil.RemoveFinalizer(trip, finalizer)
		return ctrl.Result{}, client.IgnoreNotFound(r.Update(ctx, trip))
	}
	if controllerutil.AddFinalizer(trip, finalizer) {
		if err := r.Update(ctx, trip); err != nil {
			return ctrl.Result{}, err
		}
	}
	ticket := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: trip.Namespace, Name: trip.Name + "-ticket"}}
	done, err := controllerutil.CreateOrUpdate(ctx, r.Client, ticket, func() error {
		ticket.Data = map[string]string{"route": trip.Spec.From + "-" + trip.Spec.To, "class": trip.Spec.Class}
		return controllerutil.SetControllerReference(trip, ticket, r.Scheme())
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	if done != controllerutil.OperationResultNone {
		r.events.Eventf(trip, ticket, corev1.EventTypeNormal, "Booked", "Book", "Booked by %s", r.name)
	}
	before := trip.DeepCopyObject().(*travel.Trip)
	trip.Status.BookedBy = r.name
	meta.SetStatusCondition(&trip.Status.Conditions, metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Booked", ObservedGeneration: trip.Generation})
	return ctrl.Result{}, r.Status().Patch(ctx, trip, client.MergeFrom(before))
}

// rules are the webhooks.
type rules struct{}

// Default fills in what is missing.
func (rules) Default(_ context.Context, t *travel.Trip) error {
	if t.Spec.Class == "" {
		t.Spec.Class = "second"
	}
	return nil
}

// ValidateCreate refuses journeys that lead nowhere.
func (rules) ValidateCreate(_ context.Context, t *travel.Trip) (admission.Warnings, error) {
	if t.Spec.From == t.Spec.To {
		return nil, fmt.Errorf("%s is where it begins", t.Spec.To)
	}
	if t.Spec.Days > 30 {
		return admission.Warnings{"that is a long time"}, nil
	}
	return nil, nil
}

// ValidateUpdate keeps the beginning.
func (r rules) ValidateUpdate(ctx context.Context, old, t *travel.Trip) (admission.Warnings, error) {
	if old.Spec.From != t.Spec.From {
		return nil, fmt.Errorf("it has begun in %s", old.Spec.From)
	}
	return r.ValidateCreate(ctx, t)
}

// ValidateDelete lets everything go.
func (rules) ValidateDelete(context.Context, *travel.Trip) (admission.Warnings, error) {
	return nil, nil
}
