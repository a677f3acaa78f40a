package bootstraptoken

import (
	"context"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

var secretsGVR = corev1.SchemeGroupVersion.WithResource("secrets")

// NewCleaner gives the loop token-cleaner-controller: tokens are deleted when
// they expire.
func NewCleaner(d loop.Deps) func(context.Context) error {
	if d.Server == "" {
		return idle
	}
	secrets := loop.NewView[*corev1.Secret](d, "", "secrets")
	queue := loop.NewQueue[string]("token_cleaner")
	tokens := secrets.Follower(d, func(o, _ *watchcache.Object, gone bool) {
		if !gone && isToken(o) {
			queue.Add(o.Name)
		}
	})
	clean := func(ctx context.Context, name string) error {
		s, ok := secrets.Get(metav1.NamespaceSystem, name)
		if !ok || s.Type != corev1.SecretTypeBootstrapToken || s.DeletionTimestamp != nil {
			return nil
		}
		end, expires, valid := expiry(s)
		if !expires || !valid {
			return nil
		}
		if left := end.Sub(d.Clock()); left > 0 {
			queue.AddAfter(name, left)
			return nil
		}
		klog.InfoS("A bootstrap token has expired and is deleted", "secret", klog.KObj(s))
		err := d.Client.Delete(ctx, secretsGVR, s.Namespace, s.Name, &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(s.UID))})
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return nil
		}
		return err
	}
	return func(ctx context.Context) error {
		return loop.Together(ctx, tokens.Run, func(ctx context.Context) error { return queue.Work(ctx, 1, clean) })
	}
}
