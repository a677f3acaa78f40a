package controllers

import (
	"context"
	"time"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/informer"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	trackingName = "kube-apiserver-legacy-service-account-token-tracking"
	trackingKey  = "since"
	// trackingPause is the time between two creations, so that whoever does not
	// want the ConfigMap is not fought all the time.
	trackingPause = 30 * time.Minute
)

// newTokenTracking keeps the ConfigMap that says since when the use of tokens in
// secrets is noted on them (package authn/serviceaccount). The start makes it.
func newTokenTracking(d Deps) func(context.Context) error {
	maps := informer.New(d.Shared, configMaps, metav1.NamespaceSystem, func() *corev1.ConfigMap { return &corev1.ConfigMap{} }).Only("metadata.name=" + trackingName)
	q := loop.NewQueue[string]("tokentracking")
	maps.OnChange(func(_, _ *corev1.ConfigMap) { q.Add(trackingName) })
	var created time.Time
	look := func(ctx context.Context, _ string) error {
		<-maps.Synced()
		now := d.Clock()
		today := map[string]string{trackingKey: now.UTC().Format(time.DateOnly)}
		have, ok := maps.Get(metav1.NamespaceSystem, trackingName)
		if !ok {
			if wait := created.Add(trackingPause).Sub(now); wait > 0 {
				q.AddAfter(trackingName, wait)
				return nil
			}
			err := d.Client.Create(ctx, configMaps, metav1.NamespaceSystem, &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: trackingName}, Data: today,
			})
			if err == nil {
				created = now
			}
			if apierrors.IsAlreadyExists(err) {
				return nil
			}
			return err
		}
		if _, err := time.Parse(time.DateOnly, have.Data[trackingKey]); err == nil {
			return nil
		}
		next := have.DeepCopy()
		if next.Data == nil {
			next.Data = map[string]string{}
		}
		next.Data[trackingKey] = today[trackingKey]
		return tolerated(d.Client.Update(ctx, configMaps, next))
	}
	return func(ctx context.Context) error {
		return loop.Together(ctx, maps.Run, func(ctx context.Context) error { return q.Work(ctx, 1, look) })
	}
}
