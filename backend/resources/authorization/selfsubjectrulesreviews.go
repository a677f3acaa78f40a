package authorization

import (
	"context"

	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
)

func selfSubjectRulesReviews(env *registry.Env) registry.Resource {
	return registry.Resource{
		Group:    group,
		Name:     "selfsubjectrulesreviews",
		Singular: "selfsubjectrulesreview",
		Kind:     "SelfSubjectRulesReview",

		Verbs: []string{"create"},
		Versions: []registry.Version{{
			Name: "v1",
			New:  func() scheme.Object { return &authorizationv1.SelfSubjectRulesReview{} },
		}},
		Virtual: &registry.Virtual{
			New: func() runtime.Object { return &authorizationv1.SelfSubjectRulesReview{} },
			Create: create(func(ctx context.Context, c registry.Call, r *authorizationv1.SelfSubjectRulesReview) error {
				return answerSelfSubjectRulesReview(ctx, env, c, r)
			}),
		},
	}
}

func answerSelfSubjectRulesReview(ctx context.Context, env *registry.Env, _ registry.Call, r *authorizationv1.SelfSubjectRulesReview) error {
	u := request.UserFrom(ctx)
	if u == nil {
		return apierrors.NewBadRequest("no user present on request")
	}
	if r.Spec.Namespace == "" {
		return apierrors.NewBadRequest("no namespace on request")
	}
	namespace := r.Spec.Namespace
	// The answer holds the status alone.
	*r = authorizationv1.SelfSubjectRulesReview{}
	r.Status = authorizationv1.SubjectRulesReviewStatus{ResourceRules: []authorizationv1.ResourceRule{}, NonResourceRules: []authorizationv1.NonResourceRule{}}
	if env.Access == nil {
		r.Status.Incomplete = true
		return nil
	}
	rules, faults := env.Access.Rules(ctx, u, namespace)
	for _, rule := range rules {
		if len(rule.Resources) > 0 {
			r.Status.ResourceRules = append(r.Status.ResourceRules, authorizationv1.ResourceRule{
				Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources, ResourceNames: rule.ResourceNames})
		}
		if len(rule.NonResourceURLs) > 0 {
			r.Status.NonResourceRules = append(r.Status.NonResourceRules, authorizationv1.NonResourceRule{Verbs: rule.Verbs, NonResourceURLs: rule.NonResourceURLs})
		}
	}
	if err := utilerrors.NewAggregate(faults); err != nil {
		r.Status.Incomplete, r.Status.EvaluationError = true, err.Error()
	}
	return nil
}
