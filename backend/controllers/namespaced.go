package controllers

import (
	"context"

	"pilothouse/backend/client"
	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/informer"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	namespaces      = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	serviceAccounts = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	configMaps      = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

const (
	defaultAccount  = "default"
	rootCAName      = "kube-root-ca.crt"
	rootCAKey       = "ca.crt"
	descriptionKey  = "kubernetes.io/description"
	rootCADescribed = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."
)

func namespaceInformer(c *client.Client) *informer.Informer[*corev1.Namespace] {
	return informer.New(c, namespaces, "", func() *corev1.Namespace { return &corev1.Namespace{} })
}

// newServiceAccounts gives every active namespace its ServiceAccount "default".
func newServiceAccounts(d Deps) func(context.Context) error {
	spaces := namespaceInformer(d.Shared)
	accounts := informer.New(d.Shared, serviceAccounts, "", func() *corev1.ServiceAccount { return &corev1.ServiceAccount{} })
	q := loop.NewQueue[string]("serviceaccount")
	spaces.OnChange(func(_, n *corev1.Namespace) {
		if n != nil {
			q.Add(n.Name)
		}
	})
	accounts.OnChange(func(old, current *corev1.ServiceAccount) {
		if current == nil && old.Name == defaultAccount {
			q.Add(old.Namespace)
		}
	})
	ensure := func(ctx context.Context, name string) error {
		<-accounts.Synced()
		n, ok := spaces.Get("", name)
		if !ok || n.Status.Phase != corev1.NamespaceActive || n.DeletionTimestamp != nil {
			return nil
		}
		if _, ok := accounts.Get(name, defaultAccount); ok {
			return nil
		}
		return tolerated(d.Client.Create(ctx, serviceAccounts, name, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: defaultAccount, Namespace: name}}))
	}
	return func(ctx context.Context) error {
		return loop.Together(ctx, accounts.Run, spaces.Run, func(ctx context.Context) error { return q.Work(ctx, 1, ensure) })
	}
}

// tolerated drops the errors of a namespace that went away or of something that
// somebody else has made.
func tolerated(err error) error {
	if apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return err
}

// newRootCA keeps the ConfigMap kube-root-ca.crt in every active namespace.
func newRootCA(d Deps) func(context.Context) error {
	spaces := namespaceInformer(d.Shared)
	maps := informer.New(d.Shared, configMaps, "", func() *corev1.ConfigMap { return &corev1.ConfigMap{} }).Only("metadata.name=" + rootCAName)
	q := loop.NewQueue[string]("root_ca_cert_publisher")
	spaces.OnChange(func(_, n *corev1.Namespace) {
		if n != nil {
			q.Add(n.Name)
		}
	})
	maps.OnChange(func(old, current *corev1.ConfigMap) {
		if current == nil {
			current = old
		}
		q.Add(current.Namespace)
	})
	ensure := func(ctx context.Context, name string) error {
		<-maps.Synced()
		n, ok := spaces.Get("", name)
		if !ok || n.Status.Phase != corev1.NamespaceActive || n.DeletionTimestamp != nil {
			return nil
		}
		ca := string(d.RootCA())
		current, ok := maps.Get(name, rootCAName)
		if !ok {
			return tolerated(d.Client.Create(ctx, configMaps, name, &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Name: rootCAName, Namespace: name, Annotations: map[string]string{descriptionKey: rootCADescribed}},
				Data:       map[string]string{rootCAKey: ca},
			}))
		}
		if len(current.Data) == 1 && current.Data[rootCAKey] == ca && current.Annotations[descriptionKey] != "" {
			return nil
		}
		next := current.DeepCopy()
		next.Data = map[string]string{rootCAKey: ca}
		if next.Annotations == nil {
			next.Annotations = map[string]string{}
		}
		next.Annotations[descriptionKey] = rootCADescribed
		return tolerated(d.Client.Update(ctx, configMaps, next))
	}
	return func(ctx context.Context) error {
		return loop.Together(ctx, maps.Run, spaces.Run, func(ctx context.Context) error { return q.Work(ctx, 1, ensure) })
	}
}
