package controllers

import (
	"bytes"
	"context"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/informer"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

var secrets = corev1.SchemeGroupVersion.WithResource("secrets")

// newTokens fills secrets of the type kubernetes.io/service-account-token with a
// token of their account, and removes those whose account is gone. Tokens by
// TokenRequest are better; some tools want one in a secret.
func newTokens(d Deps) func(context.Context) error {
	held := informer.New(d.Shared, secrets, "", func() *corev1.Secret { return &corev1.Secret{} }).Only("type=" + string(corev1.SecretTypeServiceAccountToken))
	accounts := informer.New(d.Shared, serviceAccounts, "", func() *corev1.ServiceAccount { return &corev1.ServiceAccount{} })
	q := loop.NewQueue[types.NamespacedName]("serviceaccount_tokens_secret")
	add := func(s *corev1.Secret) { q.Add(types.NamespacedName{Namespace: s.Namespace, Name: s.Name}) }
	held.OnChange(func(_, s *corev1.Secret) {
		if s != nil {
			add(s)
		}
	})
	accounts.OnChange(func(old, current *corev1.ServiceAccount) {
		if current != nil && (old == nil || old.UID == current.UID) {
			return
		}
		for _, s := range held.List() {
			if s.Namespace == old.Namespace && s.Annotations[corev1.ServiceAccountNameKey] == old.Name {
				add(s)
			}
		}
	})
	fill := func(ctx context.Context, key types.NamespacedName) error {
		<-accounts.Synced()
		s, ok := held.Get(key.Namespace, key.Name)
		if !ok || s.DeletionTimestamp != nil {
			return nil
		}
		account, ok := accounts.Get(key.Namespace, s.Annotations[corev1.ServiceAccountNameKey])
		if !ok || !isTokenOf(s, account) {
			return removeOrphan(ctx, d, s)
		}
		next, err := withToken(d, s, account)
		if next == nil || err != nil {
			return err
		}
		return tolerated(d.Shared.Update(ctx, secrets, next))
	}
	return func(ctx context.Context) error {
		return loop.Together(ctx, held.Run, accounts.Run, func(ctx context.Context) error { return q.Work(ctx, 1, fill) })
	}
}

// isTokenOf tells whether a secret may be one of an account: one that was filled
// for an earlier account of the same name is not.
func isTokenOf(s *corev1.Secret, account *corev1.ServiceAccount) bool {
	uid := s.Annotations[corev1.ServiceAccountUIDKey]
	return uid == "" || uid == string(account.UID)
}

// removeOrphan removes a secret whose account is gone, after another look: the
// account may be newer than what is known here.
func removeOrphan(ctx context.Context, d Deps, s *corev1.Secret) error {
	account := &corev1.ServiceAccount{}
	if name := s.Annotations[corev1.ServiceAccountNameKey]; name != "" {
		err := d.Shared.Get(ctx, serviceAccounts, s.Namespace, name, account)
		if err == nil && isTokenOf(s, account) {
			return loop.Again{}
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	klog.V(2).InfoS("Token secret is removed, its service account is gone", "secret", klog.KObj(s))
	return tolerated(d.Shared.Delete(ctx, secrets, s.Namespace, s.Name, &metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &s.UID, ResourceVersion: &s.ResourceVersion},
	}))
}

// withToken gives a secret with all that it should have, nil when it has it.
func withToken(d Deps, s *corev1.Secret, account *corev1.ServiceAccount) (*corev1.Secret, error) {
	want := map[string][]byte{
		corev1.ServiceAccountNamespaceKey: []byte(s.Namespace), corev1.ServiceAccountRootCAKey: d.RootCA(),
		corev1.ServiceAccountTokenKey: s.Data[corev1.ServiceAccountTokenKey],
	}
	complete := len(want[corev1.ServiceAccountTokenKey]) > 0 && s.Annotations[corev1.ServiceAccountUIDKey] != ""
	for key, value := range want {
		complete = complete && bytes.Equal(s.Data[key], value)
	}
	if complete || d.Token == nil {
		return nil, nil
	}
	if len(want[corev1.ServiceAccountTokenKey]) == 0 {
		token, err := d.Token(account, s.Name)
		if err != nil {
			return nil, err
		}
		want[corev1.ServiceAccountTokenKey] = []byte(token)
	}
	next := s.DeepCopy()
	if next.Data == nil {
		next.Data = map[string][]byte{}
	}
	for key, value := range want {
		next.Data[key] = value
	}
	next.Annotations[corev1.ServiceAccountUIDKey] = string(account.UID)
	return next, nil
}
