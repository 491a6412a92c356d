from src import openmp

openmp.settle()  # here, since every command begins here, and whatever it imports next brings torch
