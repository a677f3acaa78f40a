package serviceaccount

import (
	"fmt"
	"strings"
	"time"

	"pilothouse/backend/request"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
)

// Names of Kubernetes for service accounts as users.
const (
	userPrefix = "system:serviceaccount:"
	// GroupAll is the group of all service accounts.
	GroupAll    = "system:serviceaccounts"
	groupPrefix = "system:serviceaccounts:"

	extraPodName  = "authentication.kubernetes.io/pod-name"
	extraPodUID   = "authentication.kubernetes.io/pod-uid"
	extraNodeName = "authentication.kubernetes.io/node-name"
	extraNodeUID  = "authentication.kubernetes.io/node-uid"
	credentialID  = "authentication.kubernetes.io/credential-id"
)

// ExtraNodeName is the key of a user's extra that names the node of its pod.
const ExtraNodeName = extraNodeName

// Username is the user name of a service account.
func Username(namespace, name string) string { return userPrefix + namespace + ":" + name }

// Groups are the groups of a service account, without system:authenticated.
func Groups(namespace string) []string { return []string{GroupAll, groupPrefix + namespace} }

// SplitUsername takes a user name apart; ok tells one of a service account.
func SplitUsername(user string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(user, userPrefix)
	if !ok {
		return "", "", false
	}
	namespace, name, ok = strings.Cut(rest, ":")
	if !ok || len(apivalidation.ValidateNamespaceName(namespace, false)) > 0 || len(apivalidation.ValidateServiceAccountName(name, false)) > 0 {
		return "", "", false
	}
	return namespace, name, true
}

// Claims are what a token says.
type Claims struct {
	jwt.Claims
	Kubernetes boundClaims `json:"kubernetes.io"`
}

// boundClaims say which account a token is of and what it lives and dies with.
type boundClaims struct {
	Namespace string           `json:"namespace,omitempty"`
	Account   ref              `json:"serviceaccount,omitzero"`
	Pod       *ref             `json:"pod,omitempty"`
	Secret    *ref             `json:"secret,omitempty"`
	Node      *ref             `json:"node,omitempty"`
	WarnAfter *jwt.NumericDate `json:"warnafter,omitempty"`
}

type ref struct {
	Name string `json:"name,omitempty"`
	UID  string `json:"uid,omitempty"`
}

// Bound is what a token is bound to; at most one of Pod and Secret, and Node
// alone or with Pod, whose node it is.
type Bound struct {
	Pod    *corev1.Pod
	Secret *corev1.Secret
	Node   *corev1.Node
}

// NewClaims gives the claims of a new token. It is good for lifetime from now
// on; warnAfter, if not 0, is when its use begins to be noted as too old.
func NewClaims(account *corev1.ServiceAccount, b Bound, audiences []string, now time.Time, lifetime, warnAfter time.Duration) *Claims {
	c := &Claims{
		Claims: jwt.Claims{
			ID: uuid.NewString(), Subject: Username(account.Namespace, account.Name), Audience: audiences,
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(lifetime)),
		},
		Kubernetes: boundClaims{Namespace: account.Namespace, Account: ref{account.Name, string(account.UID)}},
	}
	k := &c.Kubernetes
	if b.Pod != nil {
		k.Pod = &ref{b.Pod.Name, string(b.Pod.UID)}
	}
	if b.Secret != nil {
		k.Secret = &ref{b.Secret.Name, string(b.Secret.UID)}
	}
	if b.Node != nil {
		k.Node = &ref{b.Node.Name, string(b.Node.UID)}
	}
	if warnAfter > 0 {
		k.WarnAfter = jwt.NewNumericDate(now.Add(warnAfter))
	}
	return c
}

// CredentialID names a token in audit events and in a user's extra.
func (c *Claims) CredentialID() string { return "JTI=" + c.ID }

// user is whom the claims stand for.
func (c *Claims) user() *request.User {
	k := &c.Kubernetes
	u := &request.User{
		Name: Username(k.Namespace, k.Account.Name), UID: k.Account.UID,
		Groups: append(Groups(k.Namespace), request.GroupAuthenticated),
	}
	extra := func(key, value string) {
		if u.Extra == nil {
			u.Extra = map[string][]string{}
		}
		u.Extra[key] = []string{value}
	}
	if k.Pod != nil && k.Pod.Name != "" && k.Pod.UID != "" {
		extra(extraPodName, k.Pod.Name)
		extra(extraPodUID, k.Pod.UID)
	}
	if c.ID != "" {
		extra(credentialID, c.CredentialID())
	}
	if k.Node != nil && k.Node.Name != "" {
		extra(extraNodeName, k.Node.Name)
		if k.Node.UID != "" {
			extra(extraNodeUID, k.Node.UID)
		}
	}
	return u
}

// staleAnnotation is the audit annotation of a token that is used after the
// lifetime that its pod asked for.
func (c *Claims) staleAnnotation(now time.Time) map[string]string {
	w := c.Kubernetes.WarnAfter
	if w == nil || *w == 0 || !now.After(w.Time()) {
		return nil
	}
	return map[string]string{"authentication.k8s.io/stale-token": fmt.Sprintf("subject: %s, seconds after warning threshold: %d", c.Subject, now.Unix()-w.Time().Unix())}
}
