package authn

import (
	"context"
	"crypto/subtle"
	"regexp"
	"slices"
	"strings"
	"time"

	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// What makes a secret a bootstrap token; the words are Kubernetes'.
const (
	bootstrapSecretType   = "bootstrap.kubernetes.io/token"
	bootstrapSecretPrefix = "bootstrap-token-"
	bootstrapUserPrefix   = "system:bootstrap:"
	bootstrapGroup        = "system:bootstrappers"
)

var (
	bootstrapToken      = regexp.MustCompile(`\A([a-z0-9]{6})\.([a-z0-9]{16})\z`)
	bootstrapExtraGroup = regexp.MustCompile(`\Asystem:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\z`)
)

// GetSecret gives a secret as it is now; a NotFound Status when it is not there.
type GetSecret func(ctx context.Context, namespace, name string) (*corev1.Secret, error)

// BootstrapTokens knows the tokens with which nodes join a cluster: ID.SECRET,
// kept in the secret bootstrap-token-ID in kube-system. Its users are
// system:bootstrap:ID in the group system:bootstrappers and those that the
// secret names below it.
func BootstrapTokens(get GetSecret, now func() time.Time) TokenAuthenticator {
	return TokenFunc(func(ctx context.Context, token string) (*request.User, error) {
		parts := bootstrapToken.FindStringSubmatch(token)
		if parts == nil {
			return nil, nil
		}
		id, secret := parts[1], parts[2]
		s, err := get(ctx, metav1.NamespaceSystem, bootstrapSecretPrefix+id)
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		groups, fault := checkBootstrapSecret(s, id, secret, now())
		if fault != "" {
			klog.V(3).InfoS("Bootstrap token is not valid", "secret", klog.KObj(s), "reason", fault)
			return nil, nil
		}
		return &request.User{Name: bootstrapUserPrefix + id, Groups: groups}, nil
	})
}

// checkBootstrapSecret gives the groups of a token, or what is wrong with it.
func checkBootstrapSecret(s *corev1.Secret, id, secret string, now time.Time) (groups []string, fault string) {
	value := func(key string) string { return string(s.Data[key]) }
	switch {
	case s.DeletionTimestamp != nil:
		return nil, "it is being deleted"
	case s.Type != bootstrapSecretType:
		return nil, "it is of another type"
	case subtle.ConstantTimeCompare(s.Data["token-secret"], []byte(secret)) != 1:
		return nil, "token-secret is not the token's"
	case value("token-id") != id:
		return nil, "token-id is not the token's"
	case expired(value("expiration"), now):
		return nil, "it has expired, or expiration is no time"
	case value("usage-bootstrap-authentication") != "true":
		return nil, "usage-bootstrap-authentication is not true"
	}
	groups = []string{bootstrapGroup}
	for group := range strings.SplitSeq(value("auth-extra-groups"), ",") {
		if group == "" && value("auth-extra-groups") == "" {
			break
		}
		if !bootstrapExtraGroup.MatchString(group) {
			return nil, "auth-extra-groups has a group that is not below system:bootstrappers"
		}
		groups = append(groups, group)
	}
	slices.Sort(groups)
	return slices.Compact(groups), ""
}

// expired tells whether a time of RFC 3339 is over; what is no time is.
func expired(at string, now time.Time) bool {
	if at == "" {
		return false
	}
	t, err := time.Parse(time.RFC3339, at)
	return err != nil || !now.Before(t)
}
