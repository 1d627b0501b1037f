-- A tenant that refuses the secret.
UPDATE job_sources SET refuses = 'sign-in', refused_because = 'AADSTS7000222: expired', refused_remedy = 'make a new one',
    refused_since = '2026-11-30T08:00:00Z' WHERE job = 2 AND source = 1;
