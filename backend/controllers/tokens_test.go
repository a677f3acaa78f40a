package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTokenSecrets(t *testing.T) {
	made := 0
	d := Deps{
		RootCA: func() []byte { return []byte("ca") },
		Token: func(account *corev1.ServiceAccount, secret string) (string, error) {
			made++
			return account.Name + " " + secret, nil
		},
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "robot", UID: "u1"}}
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s", Annotations: map[string]string{corev1.ServiceAccountNameKey: "robot"}}}
	check := func(what string, s *corev1.Secret, changed bool, tokens int) *corev1.Secret {
		t.Helper()
		next, err := withToken(d, s, account)
		if err != nil || (next != nil) != changed || made != tokens {
			t.Errorf("%s: %v %v, %d tokens", what, next, err, made)
		}
		if next == nil {
			return s
		}
		if string(next.Data["token"]) != "robot s" || string(next.Data["ca.crt"]) != "ca" || string(next.Data["namespace"]) != "ns" || next.Annotations[corev1.ServiceAccountUIDKey] != "u1" {
			t.Errorf("%s: %v", what, next)
		}
		return next
	}
	full := check("empty", s, true, 1)
	if s.Data != nil || len(s.Annotations) != 1 {
		t.Error("the shared object was changed")
	}
	check("full", full, false, 1)
	old := full.DeepCopy()
	old.Data["ca.crt"] = []byte("old")
	check("with an old authority", old, true, 1)
	if !isTokenOf(full, account) || isTokenOf(full, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{UID: "u2"}}) {
		t.Error("of another account")
	}
}
