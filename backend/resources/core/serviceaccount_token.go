package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pilothouse/backend/authn/serviceaccount"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var tokenRequestKind = authenticationv1.SchemeGroupVersion.WithKind("TokenRequest")

// Lifetimes of tokens, in seconds.
const (
	defaultTokenLifetime = 60 * 60
	minTokenLifetime     = 10 * 60
	maxTokenLifetime     = 1 << 32
	// podTokenLifetime is what the kubelet asks for. Tokens of exactly this one
	// can be given extendedTokenLifetime, as not all clients read them anew.
	podTokenLifetime      = 60*60 + 7
	extendedTokenLifetime = 24 * 365 * 60 * 60
)

// issuedCredential is the audit annotation that names the token that was made.
const issuedCredential = "authentication.kubernetes.io/issued-credential-id"

// tokenSubresource makes tokens for service accounts.
func tokenSubresource(env *registry.Env) registry.Subresource {
	t := tokenRequests{env}
	return registry.Subresource{
		Name: "token", Verbs: []string{"create"}, Kind: tokenRequestKind.Kind, GroupVersion: tokenRequestKind.GroupVersion(),
		New:     func() runtime.Object { return &authenticationv1.TokenRequest{} },
		Default: defaultTokenRequest,
		Create:  t.create,
	}
}

func defaultTokenRequest(obj runtime.Object) {
	if r, ok := obj.(*authenticationv1.TokenRequest); ok && r.Spec.ExpirationSeconds == nil {
		lifetime := int64(defaultTokenLifetime)
		r.Spec.ExpirationSeconds = &lifetime
	}
}

type tokenRequests struct{ env *registry.Env }

// create checks a request, fills in what it leaves to the server and answers
// with a token.
func (t tokenRequests) create(ctx context.Context, c registry.Call, obj runtime.Object) (runtime.Object, error) {
	r, ok := obj.(*authenticationv1.TokenRequest)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a TokenRequest: %T", obj))
	}
	if t.env.Tokens == nil {
		return nil, apierrors.NewInternalError(errors.New("tokens are not set up"))
	}
	account, err := t.account(ctx, c, r)
	if err != nil {
		return nil, err
	}
	now := t.env.Clock()
	t.complete(r, account, now)
	if errs := validateTokenRequest(r); len(errs) > 0 {
		return nil, apierrors.NewInvalid(tokenRequestKind.GroupKind(), "", errs)
	}
	if c.Validate != nil {
		if err := c.Validate(ctx, r.DeepCopy(), nil); err != nil {
			return nil, err
		}
	}
	bound, err := bindToken(ctx, c, r.Spec.BoundObjectRef)
	if err != nil {
		return nil, err
	}
	lifetime, warnAfter := t.lifetime(ctx, r, bound)
	claims := serviceaccount.NewClaims(account, bound, r.Spec.Audiences, now, lifetime, warnAfter)
	token, err := t.env.Tokens.Sign(claims)
	if err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("failed to generate token: %w", err))
	}
	request.From(ctx).Annotate(issuedCredential, claims.CredentialID())
	r.Status = authenticationv1.TokenRequestStatus{
		Token: token, ExpirationTimestamp: metav1.NewTime(now.Add(seconds(*r.Spec.ExpirationSeconds))),
	}
	return r, nil
}

// account gives the service account of the path; what the request says of it
// must agree.
func (t tokenRequests) account(ctx context.Context, c registry.Call, r *authenticationv1.TokenRequest) (*corev1.ServiceAccount, error) {
	for _, check := range []struct{ name, has, want, message string }{
		{"name", r.Name, c.Name, "must match the service account name if specified"},
		{"namespace", r.Namespace, c.Namespace, "must match the service account namespace if specified"},
	} {
		if check.has != "" && check.has != check.want {
			return nil, apierrors.NewInvalid(tokenRequestKind.GroupKind(), c.Name,
				field.ErrorList{field.Invalid(field.NewPath("metadata", check.name), check.has, check.message)})
		}
	}
	account, err := stored(ctx, c, "serviceaccounts", c.Namespace, c.Name, &corev1.ServiceAccount{})
	if err != nil {
		return nil, err
	}
	if r.UID != "" && r.UID != account.UID {
		return nil, apierrors.NewConflict(schema.GroupResource{Group: tokenRequestKind.Group, Resource: tokenRequestKind.Kind}, c.Name,
			fmt.Errorf("the UID in the token request (%s) does not match the UID of the service account (%s)", r.UID, account.UID))
	}
	return account, nil
}

// complete fills in what a request leaves out.
func (t tokenRequests) complete(r *authenticationv1.TokenRequest, account *corev1.ServiceAccount, now time.Time) {
	if len(r.Spec.Audiences) == 0 {
		r.Spec.Audiences = slices.Clone(t.env.Tokens.Audiences)
	}
	r.Name, r.Namespace, r.UID = account.Name, account.Namespace, account.UID
	r.CreationTimestamp = metav1.NewTime(now)
	r.Status = authenticationv1.TokenRequestStatus{}
}

func validateTokenRequest(r *authenticationv1.TokenRequest) (errs field.ErrorList) {
	at := field.NewPath("spec", "expirationSeconds")
	lifetime := int64(0)
	if r.Spec.ExpirationSeconds != nil {
		lifetime = *r.Spec.ExpirationSeconds
	}
	if lifetime < minTokenLifetime {
		errs = append(errs, field.Invalid(at, lifetime, "may not specify a duration less than 10 minutes"))
	}
	if lifetime > maxTokenLifetime {
		errs = append(errs, field.Invalid(at, lifetime, "may not specify a duration larger than 2^32 seconds"))
	}
	return errs
}

// bindToken finds what a token is to be bound to. A token of a pod also tells
// the pod's node.
func bindToken(ctx context.Context, c registry.Call, ref *authenticationv1.BoundObjectReference) (b serviceaccount.Bound, err error) {
	if ref == nil {
		return b, nil
	}
	var uid types.UID
	kind := schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind)
	switch kind.GroupKind() {
	case schema.GroupKind{Kind: "Pod"}:
		if b.Pod, err = stored(ctx, c, "pods", c.Namespace, ref.Name, &corev1.Pod{}); err != nil {
			return b, err
		}
		if b.Pod.Spec.ServiceAccountName != c.Name {
			return b, apierrors.NewBadRequest(fmt.Sprintf("cannot bind token for serviceaccount %q to pod running with different serviceaccount name.", c.Name))
		}
		if b.Node, err = nodeOf(ctx, c, b.Pod); err != nil {
			return b, err
		}
		uid = b.Pod.UID
	case schema.GroupKind{Kind: "Node"}:
		if b.Node, err = stored(ctx, c, "nodes", "", ref.Name, &corev1.Node{}); err != nil {
			return b, err
		}
		uid = b.Node.UID
	case schema.GroupKind{Kind: "Secret"}:
		if b.Secret, err = stored(ctx, c, "secrets", c.Namespace, ref.Name, &corev1.Secret{}); err != nil {
			return b, err
		}
		uid = b.Secret.UID
	default:
		return b, apierrors.NewBadRequest(fmt.Sprintf("cannot bind token to object of type %s", kind))
	}
	if ref.UID != "" && ref.UID != uid {
		return b, apierrors.NewConflict(schema.GroupResource{Group: kind.Group, Resource: kind.Kind}, ref.Name,
			fmt.Errorf("the UID in the bound object reference (%s) does not match the UID in record. The object might have been deleted and then recreated", ref.UID))
	}
	return b, nil
}

// nodeOf gives the node of a pod; one that does not exist has a name only.
func nodeOf(ctx context.Context, c registry.Call, pod *corev1.Pod) (*corev1.Node, error) {
	if pod.Spec.NodeName == "" {
		return nil, nil
	}
	node, err := stored(ctx, c, "nodes", "", pod.Spec.NodeName, &corev1.Node{})
	if apierrors.IsNotFound(err) {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: pod.Spec.NodeName}}, nil
	}
	return node, err
}

// stored reads an object of the core group as it is now.
func stored[T scheme.Object](ctx context.Context, c registry.Call, resource, namespace, name string, into T) (T, error) {
	store := c.Registry.Store("", resource)
	if store == nil {
		return into, apierrors.NewNotFound(schema.GroupResource{Resource: resource}, name)
	}
	o, err := store.Get(ctx, namespace, name, registry.GetOptions{})
	if err != nil {
		return into, err
	}
	return into, scheme.DecodeStored(o.Raw, into)
}

// lifetime is how long a token is good for, within the server's limit, and
// after how long its use is to be noted.
func (t tokenRequests) lifetime(ctx context.Context, r *authenticationv1.TokenRequest, b serviceaccount.Bound) (lifetime, warnAfter time.Duration) {
	tokens := t.env.Tokens
	if limit := int64(tokens.MaxExpiration / time.Second); limit > 0 && *r.Spec.ExpirationSeconds > limit {
		request.From(ctx).Warn(fmt.Sprintf("requested expiration of %d seconds shortened to %d seconds", *r.Spec.ExpirationSeconds, limit))
		r.Spec.ExpirationSeconds = &limit
	}
	asked := *r.Spec.ExpirationSeconds
	own := !slices.ContainsFunc(r.Spec.Audiences, func(a string) bool { return !slices.Contains(tokens.Audiences, a) })
	if tokens.ExtendExpiration && b.Pod != nil && asked == podTokenLifetime && own {
		return seconds(extendedTokenLifetime), seconds(asked)
	}
	return seconds(asked), 0
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }
