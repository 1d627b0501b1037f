"""The models of a project that uses django-scim2, as its documentation has them."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django_scim.models import AbstractSCIMGroupMixin, AbstractSCIMUserMixin


class Group(AbstractSCIMGroupMixin):
    name = models.CharField(max_length=150, unique=True)


class User(AbstractSCIMUserMixin, AbstractUser):
    groups = models.ManyToManyField(Group, related_name="user_set")
    user_permissions = None

    @property
    def scim_groups(self):
        return self.groups
